import asyncio

import pytest

from stompede.testing import MemoryConnection
from stompede.testing.memory import MEMORY


class Side:
    """One who receives, and writes down all that it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def received(self, data: bytes) -> None:
        self.told.append(data)

    def alive(self) -> None:
        self.told.append("alive")

    def paused(self) -> None:
        self.told.append("paused")

    def resumed(self) -> None:
        self.told.append("resumed")

    def lost(self, code: int | None, reason: str) -> None:
        self.told.append((code, reason))


@pytest.fixture
def client() -> Side:
    return Side()


@pytest.fixture
def server() -> Side:
    return Side()


@pytest.fixture
async def connection(client: Side, server: Side) -> MemoryConnection:
    connection = MemoryConnection(client, "somewhere", capacity_bytes=10)
    connection.serve(server)
    return connection


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_payloads_arrive_in_order_and_never_from_within_a_call(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.link.write(b"a")
    connection.link.write(b"b")
    connection.transport.write(b"c")
    assert client.told == server.told == []
    await turns()
    assert (client.told, server.told) == ([b"c"], [b"a", b"b"])


async def test_nothing_is_framed_and_the_address_is_the_one_given(connection: MemoryConnection) -> None:
    assert MEMORY.header(1000, True) == b""
    assert connection.transport.address == "somewhere"
    assert connection.transport.framing is MEMORY


async def test_a_server_whose_client_does_not_read_is_told_to_pause_and_to_resume(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.link.pause_reading()
    connection.transport.write(bytes(10))
    assert server.told == []
    connection.transport.write(b"x")
    assert server.told == ["paused"]  # from within the call, as the boundary promises
    connection.transport.write(b"y")
    await turns()
    assert client.told == []
    assert connection.link.unread_bytes == 12
    connection.link.resume_reading()
    await turns()
    assert client.told == [bytes(10), b"x", b"y"]
    assert server.told == ["paused", "resumed"]


async def test_a_client_whose_server_does_not_read_is_told_to_pause(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.transport.pause_reading()
    connection.link.write(bytes(11))
    assert client.told == ["paused"]
    connection.transport.resume_reading()
    await turns()
    assert (client.told, server.told) == (["paused", "resumed"], [bytes(11)])


async def test_the_servers_close_comes_behind_what_it_wrote_and_ends_both_sides(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.transport.write(b"last words")
    connection.transport.close(4500, "closed-by-server")
    connection.transport.write(b"too late")
    connection.link.write(b"too late as well")
    await turns()
    assert client.told == [b"last words", (4500, "closed-by-server")]
    assert server.told == [(4500, "closed-by-server")]


async def test_the_clients_close_comes_behind_what_it_wrote_and_is_answered(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.link.write(b"bye")
    connection.link.close(1000, "")
    connection.link.write(b"too late")
    await turns()
    assert (server.told, client.told) == ([b"bye", (1000, "")], [(1000, "")])


async def test_a_cut_line_loses_what_was_unread_and_both_sides_see_no_close_code(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.link.pause_reading()
    connection.transport.write(b"never read")
    connection.link.cut()
    await turns()
    assert client.told == [(None, "")]
    assert server.told == [(None, "")]


@pytest.mark.parametrize("side", ["link", "transport"])
async def test_each_side_may_abort_and_the_end_is_told_once(
    connection: MemoryConnection, client: Side, server: Side, side: str
) -> None:
    end = getattr(connection, side)
    end.close(1000, "")
    end.abort()
    end.abort()
    await turns()
    assert len(client.told) == len(server.told) == 1


async def test_a_closed_connection_to_a_client_that_does_not_read_ends_when_it_reads(
    connection: MemoryConnection, client: Side, server: Side
) -> None:
    connection.link.pause_reading()
    connection.transport.write(b"ERROR")
    connection.transport.close(4003, "slow-consumer")
    await turns()
    assert (client.told, server.told) == ([], [(4003, "slow-consumer")])
    connection.link.resume_reading()
    await turns()
    assert client.told == [b"ERROR", (4003, "slow-consumer")]


async def test_a_ping_is_answered(connection: MemoryConnection, server: Side) -> None:
    connection.transport.ping()
    await turns()
    assert server.told == ["alive"]
