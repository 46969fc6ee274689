"""A client sends what it has to say and leaves: all of it is handled, though nobody is there to be told."""

import asyncio

import pytest

from serving import Serve, Served, make_app, serving, shortly, until
from sockjsclient import SockJsStomp
from stompline import StompLine
from stompsocket import StompSocket, encode
from tcpserving import TcpServed

WAIT = encode("SEND", {"destination": "/app/wait"}, "soup")
GOOD_BYE = encode("DISCONNECT", {"receipt": "bye"})


def order(number: int, **headers: object) -> bytes:
    return encode("SEND", {"destination": "/queue/orders", **headers}, str(number))


ORDERS = b"".join(order(number) for number in range(10))


class Kitchen:
    """An application whose handler waits until a test lets it go on."""

    def __init__(self, **settings: object) -> None:
        self.app = make_app(tcp_port=0, presence_grace_s=0, **settings)
        self.gate = asyncio.Event()
        self.cooking = 0

        @self.app.message("/wait")
        async def wait() -> None:
            self.cooking += 1
            await self.gate.wait()


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


async def busy(served: Served, kitchen: Kitchen, client: StompSocket | None = None) -> StompSocket:
    """A client whose handler waits."""
    client = client or await served.client()
    await client.send_ws(WAIT)
    await until(lambda: kitchen.cooking)
    return client


def in_queue(served: Served) -> int:
    return served.node.queues._store.statistics().waiting


async def line(served: Served) -> StompLine:
    return await TcpServed(served).client()


async def close_ws(client: StompSocket) -> None:
    """The close frame, and what the server says to it."""
    await client.send_ws(b"\x03\xe8", opcode=8)
    await client.closed()


@pytest.mark.parametrize("last", [b"", GOOD_BYE])
async def test_what_stands_before_a_close_frame_is_handled(
    serve: Serve, kitchen: Kitchen, last: bytes
) -> None:
    served = await serve(kitchen.app)
    client = await busy(served, kitchen)
    await client.send_ws(ORDERS + last)
    await close_ws(client)
    await shortly()
    assert not in_queue(served)
    kitchen.gate.set()
    await served.ended("disconnect")
    assert in_queue(served) == 10
    await until(lambda: served.node.statistics().connections == 0)


async def test_what_waits_for_its_turn_is_handled_too(serve: Serve, kitchen: Kitchen) -> None:
    served = await serve(kitchen.app)
    client = await served.client()
    await client.send_ws(ORDERS * 100)
    await close_ws(client)
    await served.ended("disconnect")
    assert in_queue(served) == 1000


async def test_what_follows_disconnect_is_not_handled(serve: Serve, kitchen: Kitchen) -> None:
    served = await serve(kitchen.app)
    client = await busy(served, kitchen)
    await client.send_ws(order(1) + GOOD_BYE)
    await client.send_ws(order(2))
    await close_ws(client)
    kitchen.gate.set()
    await served.ended("disconnect")
    assert in_queue(served) == 1


@pytest.mark.parametrize("reset", [False, True])
async def test_what_stands_before_the_end_of_a_tcp_connection_is_handled(
    serve: Serve, kitchen: Kitchen, reset: bool
) -> None:
    served = await serve(kitchen.app)
    client = await line(served)
    await busy(served, kitchen, client)
    session = served.session(client)
    await client.send_bytes(ORDERS)
    await until(lambda: session.wire.buffered_bytes == len(ORDERS))
    if reset:
        client.reset()
    else:
        client.drop()
    await until(lambda: session.leaving)
    kitchen.gate.set()
    await served.ended("connection-lost")
    assert in_queue(served) == 10
    await until(lambda: served.node.statistics().connections == 0)


async def test_who_closed_its_half_of_tcp_is_answered(serve: Serve, kitchen: Kitchen) -> None:
    served = await serve(kitchen.app)
    client = await line(served)
    await busy(served, kitchen, client)
    await client.send_bytes(order(1, receipt="order") + GOOD_BYE)
    client.half_close()
    await until(lambda: served.session(client).leaving)
    kitchen.gate.set()
    assert (await client.frame()).headers["receipt-id"] == "order"
    assert (await client.frame()).headers["receipt-id"] == "bye"
    await client.closed()
    await served.ended("disconnect")
    await until(lambda: served.node.statistics().connections == 0)


@pytest.mark.parametrize("transport", ["picows"])
async def test_what_sockjs_was_answered_for_is_handled_when_the_client_leaves_its_stream(
    serve: Serve, kitchen: Kitchen
) -> None:
    served = await serve(kitchen.app)
    client = await SockJsStomp(served.http + "/stomp", "xhr_streaming").open()
    await client.connect()
    session = served.node.sessions[client.session]
    await client.send_raw([WAIT.decode(), ORDERS.decode(), GOOD_BYE.decode()])
    await until(lambda: kitchen.cooking)
    client.drop()
    await until(lambda: session.leaving)
    kitchen.gate.set()
    await served.ended("disconnect")
    assert in_queue(served) == 10


# What ends at once, and what at the end.


async def test_deliveries_and_presence_end_at_once_and_the_session_at_the_end(
    serve: Serve, kitchen: Kitchen
) -> None:
    kitchen.app.destination("/topic/room", presence=True)
    served = await serve(kitchen.app)
    client, other = await served.member("cook"), await served.client()
    await client.subscribe("/topic/room", 1)
    await client.subscribe("/queue/dishes", 2, ack="client-individual")
    await other.send_ws(encode("SEND", {"destination": "/queue/dishes"}, "soup"))
    await client.message()
    await busy(served, kitchen, client)
    session = served.session(client)
    await client.send_ws(ORDERS)
    await close_ws(client)
    await until(lambda: session.leaving)
    assert session.subscriptions == {}
    assert not (await served.node.who_is_on("/topic/room").present("/topic/room", 10)).users
    await other.subscribe("/queue/dishes", 3)
    assert (await other.message()).headers["redelivered"] == "true"
    assert served.node.sessions[session.id] is session
    assert not served.logged("session ended")
    kitchen.gate.set()
    await served.ended("disconnect")
    assert session.id not in served.node.sessions


async def test_a_transaction_whose_messages_went_back_takes_no_effect(serve: Serve, kitchen: Kitchen) -> None:
    served = await serve(kitchen.app)
    client, other = await served.client(), await served.client()
    await client.subscribe("/queue/dishes", 2, ack="client-individual")
    await other.send_ws(encode("SEND", {"destination": "/queue/dishes"}, "soup"))
    ack = (await client.message()).headers["ack"]
    for name in ("held", "late"):
        await client.request("BEGIN", {"transaction": name})
    await client.request("SEND", {"destination": "/queue/orders", "transaction": "held"}, "1")
    await client.request("ACK", {"id": ack, "transaction": "held"})
    await busy(served, kitchen, client)
    session = served.session(client)
    await client.send_ws(
        encode("COMMIT", {"transaction": "held"})
        + order(2, transaction="late")
        + encode("ACK", {"id": ack, "transaction": "late"})
        + encode("COMMIT", {"transaction": "late"})
        + order(3)
    )
    await close_ws(client)
    await until(lambda: session.leaving)
    kitchen.gate.set()
    await served.ended("disconnect")
    await other.subscribe("/queue/orders", 3)
    assert (await other.message()).text == "3"
    await other.subscribe("/queue/dishes", 4)
    assert (await other.message()).text == "soup"
    assert served.node.transactions.open == 0


async def test_who_leaves_nothing_behind_a_handler_ends_at_once(serve: Serve, kitchen: Kitchen) -> None:
    served = await serve(kitchen.app)
    client = await busy(served, kitchen)
    await close_ws(client)
    await served.ended("disconnect")
    assert not kitchen.gate.is_set()


async def test_who_leaves_is_not_subscribed_any_more(serve: Serve, kitchen: Kitchen) -> None:
    served = await serve(kitchen.app)
    client = await busy(served, kitchen)
    session = served.session(client)
    await client.send_ws(encode("SUBSCRIBE", {"id": "1", "destination": "/queue/orders"}) + ORDERS)
    await close_ws(client)
    await until(lambda: session.leaving)
    kitchen.gate.set()
    await served.ended("disconnect")
    assert in_queue(served) == 10
    assert served.node.statistics().queues.consumers == 0
    assert session.outbox.closed


async def test_a_stop_ends_who_is_leaving(transport: str) -> None:
    kitchen = Kitchen(shutdown_timeout_s=0.2)
    async with serving(kitchen.app, transport) as served:
        client = await busy(served, kitchen)
        await client.send_ws(ORDERS)
        await close_ws(client)
        await until(lambda: all(session.leaving for session in served.node.transports))
        await served.node.stop()
        assert served.node.statistics().connections == 0
        await served.ended("service-restart")
