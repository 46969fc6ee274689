import asyncio

import pytest
from stomp_peer import ERRORS, REPLIES, Peer, until

from stompede.client import Backoff, connect
from stompede.errors import RequestError, SessionClosedError

SOON = Backoff(initial_s=0.01, max_s=0.02)
NEVER_YET = Backoff(initial_s=300, max_s=300, jitter=False)


async def test_subscriptions_come_back_before_queued_sends(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        async with client.subscribe("/topic/a", str) as first, client.subscribe("/topic/b") as second:
            await client.request("/app/echo", b"x")
            await peer.stop()
            await client.wait_disconnected()
            peer.got.clear()
            sends = [asyncio.create_task(client.send("/topic/a", str(n))) for n in range(3)]
            await asyncio.sleep(0)
            assert client.statistics().queued_sends == 3
            await peer.start()
            await asyncio.gather(*sends)
            assert [got.destination for got in peer.got[:2]] == ["", ERRORS]
            assert peer.commands()[1:] == [
                "SUBSCRIBE /topic/a", "SUBSCRIBE /topic/b", f"SUBSCRIBE {REPLIES}", *["SEND /topic/a"] * 3
            ]  # fmt: skip
            assert [(await first.next()).body for _ in range(3)] == ["0", "1", "2"]
            assert first.statistics().gaps == second.statistics().gaps == 1
            assert await client.request("/app/echo", b"again") == b"again"
            assert client.statistics().connects == 2


async def test_sends_leave_only_after_the_server_has_confirmed_the_subscriptions(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client, client.subscribe("/topic/a"):
        await peer.stop()
        await client.wait_disconnected()
        peer.got.clear()
        peer.no_receipts_for.add("/topic/a")
        sending = asyncio.create_task(client.send("/topic/b", b"x"))
        await peer.start()
        await peer.until(lambda: "SUBSCRIBE /topic/a" in peer.commands())
        assert not peer.sends()
        assert not client.connected
        conversation = peer.conversations[0]
        receipt = next(got.headers["receipt"] for got in peer.got if got.destination == "/topic/a")
        conversation.write(conversation.wire.send_receipt(receipt))
        await sending


async def test_the_first_message_after_a_reconnect_says_that_some_may_be_missing(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client, client.subscribe("/topic/a", str) as messages:
        peer.cut()
        await client.wait_disconnected()
        await client.send("/topic/a", "one")
        await client.send("/topic/a", "two")
        taken = [await messages.next(), await messages.next()]
        assert [(message.body, message.recovered) for message in taken] == [("one", False), ("two", None)]


async def test_a_server_that_filled_the_gap_is_believed(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client, client.subscribe("/topic/a", str) as messages:
        peer.cut()
        await client.wait_disconnected()
        await client.wait_connected()
        await client.send("/topic/b", b"now it is back")
        peer.publish("/topic/a", b"missed", recovered="true")
        assert (await messages.next()).recovered is True


async def test_a_send_that_was_written_and_not_confirmed_fails_when_the_connection_breaks(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        with pytest.raises(SessionClosedError) as caught:
            await client.send("/app/cut", b"x")
        assert caught.value.code == 1006
        with pytest.raises(SessionClosedError):
            await client.request("/app/cut", b"x")
        await client.send("/topic/a", b"afterwards")
        assert peer.sends().count(b"x") == 2


async def test_a_queued_send_that_times_out_is_withdrawn(peer: Peer) -> None:
    async with connect(peer.url, reconnect=NEVER_YET) as client:
        await peer.stop()
        await client.wait_disconnected()
        with pytest.raises(TimeoutError):
            await client.send("/topic/a", b"x", timeout_s=0.01)
        assert client.statistics().queued_sends == 0
        assert client.statistics().queued_bytes == 0


async def test_a_subscription_entered_without_a_connection_waits_for_one(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        await peer.stop()
        await client.wait_disconnected()
        entering = asyncio.create_task(client.subscribe("/topic/a").__aenter__())
        await asyncio.sleep(0)
        assert not entering.done()
        await peer.start()
        messages = await entering
        await client.send("/topic/a", b"x")
        assert (await messages.next()).recovered is None


async def test_a_subscription_left_without_a_connection_does_not_come_back(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        async with client.subscribe("/topic/a"):
            await peer.stop()
            await client.wait_disconnected()
        peer.got.clear()
        await peer.start()
        await client.wait_connected()
        assert "SUBSCRIBE /topic/a" not in peer.commands()


async def test_a_subscription_that_is_refused_when_it_comes_back_ends_with_the_refusal(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client, client.subscribe("/topic/a") as messages:
        peer.refused.add("/topic/a")
        peer.cut()
        await client.wait_disconnected()
        with pytest.raises(RequestError) as caught:
            await messages.next(timeout_s=5)
        assert caught.value.code == "forbidden"
        await client.send("/topic/b", b"the client lives on")


@pytest.mark.parametrize(
    ("code", "reason"), [(1012, "service-restart"), (1013, "try-again-later"), (1001, "")]
)
async def test_the_client_comes_back_when_the_server_says_so(peer: Peer, code: int, reason: str) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        peer.conversations[0].close(code, reason)
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()


@pytest.mark.parametrize(
    ("code", "reason"), [(1002, ""), (1008, ""), (4500, "closed-by-server"), (4999, "gone")]
)
async def test_the_client_stays_away_when_the_server_says_so(peer: Peer, code: int, reason: str) -> None:
    async with connect(peer.url, reconnect=SOON) as client, client.subscribe("/topic/a") as messages:
        reader = asyncio.create_task(messages.next())
        peer.conversations[0].close(code, reason)
        await client.wait_closed()
        for call in (reader, client.send("/topic/a", b""), client.wait_connected()):
            with pytest.raises(SessionClosedError) as caught:
                await call
            assert caught.value.code == code
        with pytest.raises(SessionClosedError):
            await anext(messages)
        assert peer.total() == 1


async def test_the_reconnect_header_of_the_error_frame_wins_over_the_close_code(peer: Peer) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        conversation = peer.conversations[0]
        headers = {"reconnect": "false", "disconnect-reason": "closed-by-server"}
        conversation.write(conversation.wire.send_error("enough", headers=headers))
        conversation.cut()
        await client.wait_closed()
        with pytest.raises(SessionClosedError, match="enough") as caught:
            await client.send("/topic/a", b"")
        assert (caught.value.code, caught.value.reason) == (4500, "closed-by-server")


async def test_a_server_that_does_not_close_after_an_error_frame_is_left(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stompede.client.connection.CLOSE_AFTER_ERROR_S", 0.01)
    async with connect(peer.url, reconnect=SOON) as client:
        conversation = peer.conversations[0]
        conversation.write(conversation.wire.send_error("odd"))
        await peer.until(lambda: peer.total() == 2)
        await client.wait_connected()


async def test_without_a_backoff_a_lost_connection_ends_the_client(peer: Peer) -> None:
    async with connect(peer.url, reconnect=None) as client:
        peer.cut()
        await client.wait_disconnected()
        await client.wait_closed()
        with pytest.raises(SessionClosedError):
            await client.send("/topic/a", b"")


async def test_the_client_gives_up_after_the_attempts_that_it_was_given(peer: Peer) -> None:
    delays: list[float] = []

    def uniform() -> float:
        delays.append(0.0)
        return 0.0

    async with connect(peer.url, reconnect=Backoff(attempts=3), uniform=uniform) as client:
        await peer.stop()
        await client.wait_disconnected()
        await client.wait_closed()
        assert len(delays) == 3
        assert client.statistics().attempts_failed == 3


async def test_a_handshake_refused_for_good_ends_the_client_and_one_refused_for_now_does_not(
    peer: Peer,
) -> None:
    async with connect(peer.url, reconnect=SOON) as client:
        peer.refuse_handshake = 503
        peer.cut()
        await client.wait_disconnected()
        await until(client, lambda: client.statistics().attempts_failed > 0)
        peer.refuse_handshake = 403
        await client.wait_closed()
        with pytest.raises(SessionClosedError, match="HTTP 403: not now") as caught:
            await client.send("/topic/a", b"")
        assert caught.value.code == 403


async def test_closing_a_client_that_waits_to_reconnect_is_immediate(peer: Peer) -> None:
    async with asyncio.timeout(5):
        async with connect(peer.url, reconnect=NEVER_YET) as client:
            await peer.stop()
            await client.wait_disconnected()
            waiting = asyncio.create_task(client.send("/topic/a", b"x"))
            await asyncio.sleep(0)
        with pytest.raises(SessionClosedError):
            await waiting


async def test_subscriptions_that_are_not_confirmed_in_time_cost_the_connection(peer: Peer) -> None:
    async with (
        connect(peer.url, reconnect=SOON, connect_timeout_s=0.05) as client,
        client.subscribe("/topic/a"),
    ):
        peer.no_receipts_for.add("/topic/a")
        peer.cut()
        await client.wait_disconnected()
        await peer.until(lambda: peer.total() == 3)
        peer.no_receipts_for.clear()
        await client.wait_connected()
