"""A server that moves its clients: where they go, when, and where they go back to."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from stomp_peer import Peer, until

from stompede.client import Backoff, connect
from stompede.client.moves import Move, may_follow, move_from

SOON = Backoff(initial_s=0.01, max_s=0.02)
NEVER_YET = Backoff(initial_s=300, max_s=300, jitter=False)


@pytest_asyncio.fixture
async def other() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


def move(peer: Peer, **headers: str) -> None:
    """Ends all connections of a peer as a drained node does."""
    told = {"disconnect-reason": "moved", "reconnect": "true"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    for conversation in list(peer.conversations):
        conversation.write(conversation.wire.send_error("go on at another one", headers=told))
        conversation.close(4005, "moved")


async def test_the_client_goes_where_the_server_says_with_all_its_subscriptions(
    peer: Peer, other: Peer
) -> None:
    async with connect(peer.url, reconnect=NEVER_YET, token="secret") as client:
        async with client.subscribe("/topic/a", str) as messages:
            move(peer, reconnect_url=other.url, reconnect_delay_ms="1")
            await client.wait_disconnected()
            await client.send("/topic/a", "there")
            assert (await messages.next()).body == "there"
            assert other.got[0].headers["Authorization"] == "Bearer secret"
            assert (peer.total(), other.total(), client.statistics().moves) == (1, 1, 1)


async def test_what_breaks_there_is_taken_up_where_the_user_said(peer: Peer, other: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        move(peer, reconnect_url=other.url)
        await other.until(lambda: other.total() == 1)
        await client.wait_connected()
        other.cut()
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()
        assert other.total() == 1


async def test_where_nobody_listens_the_client_goes_back(peer: Peer, other: Peer) -> None:
    await other.stop()
    async with connect(peer.url, reconnect=SOON) as client:
        move(peer, reconnect_url=other.url)
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()
        assert client.statistics().attempts_failed == 1


async def test_who_is_refused_for_good_there_goes_back(peer: Peer, other: Peer) -> None:
    other.refuse_handshake = 403
    async with connect(peer.url, reconnect=SOON) as client:
        move(peer, reconnect_url=other.url)
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()
        other.refuse_handshake = None
        other.refuse_connect = ("no", {"reconnect": "false", "disconnect-reason": "login-refused"}, 4501)
        move(peer, reconnect_url=other.url)
        await peer.until(lambda: peer.total() == 3)
        await client.wait_connected()


async def test_what_the_server_there_says_after_connected_counts(peer: Peer, other: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        move(peer, reconnect_url=other.url)
        await other.until(lambda: other.total() == 1)
        await client.wait_connected()
        other.conversations[0].close(4500, "closed-by-server")
        await client.wait_closed()
        assert peer.total() == 1


async def test_the_time_that_the_server_says_is_waited_and_no_chance_added(peer: Peer, other: Peer) -> None:
    def chance() -> float:
        raise AssertionError("nobody asks for it")

    loop = asyncio.get_running_loop()
    async with connect(peer.url, reconnect=Backoff(), uniform=chance) as client:
        begun = loop.time()
        move(peer, reconnect_url=other.url, reconnect_delay_ms="60")
        await other.until(lambda: other.total() == 1)
        assert loop.time() - begun >= 0.06
        await client.wait_connected()


async def test_without_a_url_only_the_time_is_the_servers(peer: Peer) -> None:
    async with connect(peer.url, reconnect=NEVER_YET) as client:
        move(peer, reconnect_delay_ms="0")
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()
        assert client.statistics().moves == 0


async def test_servers_that_send_a_client_round_are_not_hammered(peer: Peer, other: Peer) -> None:
    async with connect(peer.url, reconnect=NEVER_YET) as client:
        move(peer, reconnect_url=other.url)
        await other.until(lambda: other.total() == 1)
        await client.wait_connected()
        move(other, reconnect_url=peer.url)
        await client.wait_disconnected()
        await until(client, lambda: client.statistics().moves == 2)
        assert peer.total() == 1


async def test_who_follows_no_moves_keeps_to_the_url(peer: Peer, other: Peer) -> None:
    async with connect(peer.url, reconnect=SOON, follow_moves=False) as client:
        move(peer, reconnect_url=other.url, reconnect_delay_ms="0")
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()
        assert (other.total(), client.statistics().moves) == (0, 0)


@pytest.mark.parametrize(
    "url", ["http://there/stomp", "ws://", "ws://there:port/stomp", "stomp://there/path", "x"]
)
async def test_a_url_that_is_of_no_use_is_not_followed(peer: Peer, url: str) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        move(peer, reconnect_url=url)
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()
        assert client.statistics().moves == 0


@pytest.mark.parametrize(
    ("url", "at", "may"),
    [
        ("ws://b/stomp", "ws://a/stomp", True),
        ("wss://b/stomp", "ws://a/stomp", True),
        ("wss://b/stomp", "wss://a/stomp", True),
        ("ws://b/stomp", "wss://a/stomp", False),
        ("stomp://b", "wss://a/stomp", False),
        ("ws://b/stomp", "stomp+ssl://a", False),
        ("ws://b/stomp", "stomp://a", True),
        ("wss://b/stomp", "stomp+ssl://a", True),
        ("ws://b/stomp", "unknown://a", False),
        ("http://b/stomp", "ws://a/stomp", False),
        ("", "ws://a/stomp", False),
    ],
)
def test_no_move_leads_from_an_encrypted_connection_to_one_that_is_not(url: str, at: str, may: bool) -> None:
    assert may_follow(url, at) is may


@pytest.mark.parametrize(
    ("headers", "move"),
    [
        ({}, None),
        ({"reconnect-url": ""}, None),
        ({"reconnect-url": "ws://b"}, Move("ws://b", 0)),
        ({"reconnect-url": "ws://b", "reconnect-delay-ms": "250"}, Move("ws://b", 0.25)),
        ({"reconnect-delay-ms": "3600000"}, Move(None, 60)),
        ({"reconnect-delay-ms": "9" * 5000}, Move(None, 60)),
        ({"reconnect-delay-ms": "-1"}, None),
        ({"reconnect-delay-ms": "½"}, None),
    ],
)
def test_what_an_error_frame_says_of_a_move(headers: dict[str, str], move: Move | None) -> None:
    assert move_from(headers) == move
