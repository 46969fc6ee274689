import asyncio

import pytest
from stomp_peer import ERRORS, Peer, until

from stompede.client import Backoff, connect
from stompede.errors import AuthenticationError, RequestError


class Tokens:
    """A token service: gives what the peer accepts at the moment."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.asked = 0
        self.gate: asyncio.Event | None = None
        self.broken = False
        self.expire("t1")

    def expire(self, new: str) -> None:
        self.peer.valid_token = new

    async def __call__(self) -> str:
        self.asked += 1
        self.peer.changed()
        if self.gate is not None:
            await self.gate.wait()
        if self.broken:
            raise OSError("token service away")
        assert self.peer.valid_token is not None
        return self.peer.valid_token


async def test_the_token_is_on_connect_send_and_subscribe(peer: Peer) -> None:
    async with connect(peer.url, token=Tokens(peer)) as client, client.subscribe("/topic/a"):
        await client.send("/topic/a", b"x")
        for got in peer.got:
            assert got.headers["Authorization"] == "Bearer t1", got.command


async def test_a_send_whose_token_has_expired_is_sent_again_with_a_new_one(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client, client.subscribe("/topic/a", str) as messages:
        tokens.expire("t2")
        await client.send("/topic/a", "x")
        assert (await messages.next()).body == "x"
        assert tokens.asked == 2
        sent = [got.headers["Authorization"] for got in peer.got if got.command == "SEND"]
        assert sent == ["Bearer t1", "Bearer t2"]
        statistics = client.statistics()
        assert (statistics.tokens_fetched, statistics.resent, statistics.connects) == (2, 1, 1)


async def test_requests_and_subscriptions_are_renewed_as_well(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client:
        assert await client.request("/app/echo", b"1") == b"1"
        tokens.expire("t2")
        assert await client.request("/app/echo", b"2") == b"2"
        tokens.expire("t3")
        async with client.subscribe("/topic/a", str) as messages:
            await client.send("/topic/a", "x")
            assert (await messages.next()).body == "x"
        assert tokens.asked == 3


async def test_many_frames_share_one_new_token_and_keep_their_order(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client, client.subscribe("/topic/a", str) as messages:
        tokens.expire("t2")
        await asyncio.gather(*(client.send("/topic/a", str(n)) for n in range(20)))
        assert [(await messages.next()).body for _ in range(20)] == [str(n) for n in range(20)]
        assert tokens.asked == 2


async def test_frames_without_a_receipt_are_sent_again_exactly_where_the_token_stopped_them(
    peer: Peer,
) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client, client.subscribe("/topic/a", str) as messages:
        for n in range(3):
            await client.send("/topic/a", f"before {n}", receipt=False)
        await peer.until(lambda: len(peer.sends()) == 3)
        tokens.expire("t2")
        for n in range(3):
            await client.send("/topic/a", f"after {n}", receipt=False)
        expected = [*(f"before {n}" for n in range(3)), *(f"after {n}" for n in range(3))]
        assert [(await messages.next(timeout_s=5)).body for _ in expected] == expected
        await client.send("/topic/b", b"")
        assert messages.statistics().queued == 0
        assert client.statistics().resent == 3


async def test_sends_wait_while_the_new_token_is_fetched(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client, client.subscribe("/topic/a", str) as messages:
        tokens.expire("t2")
        tokens.gate = asyncio.Event()
        first = asyncio.create_task(client.send("/topic/a", "first"))
        await peer.until(lambda: len(peer.sends()) == 1)
        await peer.until(lambda: tokens.asked == 2)
        second = asyncio.create_task(client.send("/topic/a", "second"))
        await asyncio.sleep(0)
        assert client.statistics().queued_sends == 1
        tokens.gate.set()
        await asyncio.gather(first, second)
        assert [(await messages.next()).body, (await messages.next()).body] == ["first", "second"]


async def test_a_silent_subscriber_renews_when_the_server_tells_it(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client, client.subscribe("/topic/a", str) as messages:
        tokens.expire("t2")
        body = (
            b'{"code":"token-expired","detail":"nothing more comes","destination":"/topic/a","errorId":"e"}'
        )
        peer.publish(ERRORS, body)
        await peer.until(lambda: sum(got.destination == ERRORS for got in peer.got) == 2)
        renewal = next(got for got in reversed(peer.got) if got.destination == ERRORS)
        assert renewal.headers["Authorization"] == "Bearer t2"
        await client.send("/topic/a", "x")
        assert (await messages.next()).recovered is False
        error_channels = [
            name for name, where in peer.conversations[0].subscriptions.items() if where == ERRORS
        ]
        assert error_channels == [renewal.headers["id"]]


async def test_a_frame_is_sent_again_only_once(peer: Peer) -> None:
    peer.strict = False  # a server that looks at the token of SENDs only
    tokens = Tokens(peer)
    async with connect(peer.url, token=lambda: "t1") as client:
        tokens.expire("t2")
        with pytest.raises(RequestError) as caught:
            await client.send("/topic/a", b"x")
        assert caught.value.code == "token-expired"
        assert peer.sends() == [b"x", b"x"]


async def test_a_token_that_the_server_does_not_take_fails_the_frame_without_sending_it_again(
    peer: Peer,
) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=lambda: "t1") as client:
        tokens.expire("t2")
        with pytest.raises(RequestError) as caught:
            await client.send("/topic/a", b"x")
        assert caught.value.code == "token-expired"
        with pytest.raises(RequestError):
            async with client.subscribe("/topic/a"):
                pytest.fail("entered")
        tokens.expire("t1")
        await client.send("/topic/a", b"y")
        assert peer.sends() == [b"x", b"y"]
        assert client.statistics().connects == 1


async def test_a_stale_supplier_is_not_asked_again_and_again_for_frames_that_nobody_waits_for(
    peer: Peer,
) -> None:
    asked = 0

    def stale() -> str:
        nonlocal asked
        asked += 1
        return "t1"

    told: list[RequestError] = []
    tokens = Tokens(peer)
    async with connect(peer.url, token=stale, on_error=told.append) as client:
        tokens.expire("t2")
        for _ in range(5):
            await client.send("/topic/a", b"x", receipt=False)
        await until(client, lambda: asked == 2 and client.statistics().queued_sends == 0)
        for _ in range(5):
            await client.send("/topic/a", b"x", receipt=False)
        await peer.until(lambda: len(peer.sends()) == 10)
        tokens.expire("t1")
        await client.send("/topic/a", b"y")
        assert asked == 2
        # Five that were stopped are told of once, five that came within the pause one by one.
        assert [error.code for error in told] == ["token-expired"] * 6


async def test_a_broken_token_service_fails_the_frame_and_the_client_lives_on(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens) as client:
        tokens.expire("t2")
        tokens.broken = True
        with pytest.raises(RequestError) as caught:
            await client.send("/topic/a", b"x")
        assert caught.value.code == "token-expired"
        tokens.broken = False
        await client.send("/topic/a", b"y")
        assert peer.sends()[-1] == b"y"


async def test_a_token_that_cannot_be_renewed_is_the_callers_problem(peer: Peer) -> None:
    peer.valid_token = "other"
    async with connect(peer.url, token="old") as client:
        with pytest.raises(RequestError) as caught:
            await client.send("/topic/a", b"x")
        assert caught.value.code == "token-expired"


async def test_a_broken_token_service_keeps_from_connecting_and_is_named_as_the_cause(peer: Peer) -> None:
    tokens = Tokens(peer)
    tokens.broken = True
    with pytest.raises(AuthenticationError, match="token service away"):
        async with connect(peer.url, token=tokens):
            pass


async def test_each_connection_asks_for_a_token(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens, reconnect=Backoff(initial_s=0.01)) as client:
        tokens.broken = True
        tokens.expire("t2")
        peer.cut()
        await peer.until(lambda: tokens.asked == 3)
        tokens.broken = False
        await client.send("/topic/a", b"x")
        connects = [got.headers["Authorization"] for got in peer.got if got.command == "CONNECT"]
        assert connects == ["Bearer t1", "Bearer t2"]


async def test_a_connection_lost_during_a_renewal_takes_what_was_refused_along(peer: Peer) -> None:
    tokens = Tokens(peer)
    async with connect(peer.url, token=tokens, reconnect=Backoff(initial_s=0.01)) as client:
        tokens.expire("t2")
        tokens.gate = asyncio.Event()
        sending = asyncio.create_task(client.send("/topic/a", b"x"))
        await peer.until(lambda: tokens.asked == 2)
        peer.cut()
        await peer.until(lambda: not peer.conversations)
        tokens.gate.set()
        await sending
        assert peer.sends() == [b"x", b"x"]
        assert client.statistics().connects == 2
