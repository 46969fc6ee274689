import pytest
from stomp_peer import Peer

from stompede.client import Backoff, connect
from stompede.errors import SessionClosedError
from stompede.wire import stomp


async def test_the_client_beats_so_that_the_server_does_not_miss_it(peer: Peer) -> None:
    peer.heart_beat = stomp.HeartBeat(0, 20)
    async with connect(peer.url, heart_beat_ms=(20, 0)) as client:
        conversation = peer.conversations[0]
        before = client.statistics().connects
        # The server would cut after twice the interval and half a second.
        await peer.until(lambda: beats(conversation) > 60)
        assert peer.silences == 0
        assert client.statistics().connects == before


def beats(conversation: object) -> float:
    """How many intervals the conversation has lasted."""
    started = getattr(conversation, "started", None)
    now = conversation.loop.time()  # type: ignore[attr-defined]
    if started is None:
        conversation.started = started = now  # type: ignore[attr-defined]
    return float((now - started) / 0.02)


async def test_a_server_that_falls_silent_is_left_and_found_again(peer: Peer) -> None:
    peer.heart_beat = stomp.HeartBeat(20, 0)
    async with connect(peer.url, heart_beat_ms=(0, 20), reconnect=Backoff(initial_s=0.01)) as client:
        peer.silent = True
        await peer.until(lambda: not peer.conversations)
        peer.silent = False
        await client.wait_connected()
        assert client.statistics().connects == 2


async def test_the_error_says_that_the_server_was_silent(peer: Peer) -> None:
    peer.heart_beat = stomp.HeartBeat(20, 0)
    async with connect(peer.url, heart_beat_ms=(0, 20), reconnect=None) as client:
        peer.silent = True
        await client.wait_closed()
        with pytest.raises(SessionClosedError, match="server-silent"):
            await client.send("/topic/a", b"")


async def test_without_heart_beats_a_client_has_no_timer(peer: Peer) -> None:
    async with connect(peer.url, heart_beat_ms=(0, 0)) as client:
        supervisor = client._supervisor
        assert supervisor is not None
        assert supervisor.connection is not None
        assert supervisor.connection._timer is None
