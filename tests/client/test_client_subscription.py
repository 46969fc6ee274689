import asyncio

import msgspec
import pytest
from stomp_peer import Peer

from stompede.client import Overflow, connect
from stompede.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    RequestError,
    SessionClosedError,
    SlowConsumerError,
)


class Said(msgspec.Struct):
    text: str


async def test_a_subscription_is_live_when_it_is_entered_and_gone_when_it_is_left(peer: Peer) -> None:
    async with connect(peer.url) as client:
        async with client.subscribe("/topic/a", str) as messages:
            assert "/topic/a" in peer.conversations[0].subscriptions.values()
            peer.publish("/topic/a", b"hello", "text/plain", lang="fi")
            message = await messages.next()
            assert (message.body, message.destination, message.message_id) == ("hello", "/topic/a", "m1")
            assert (message.headers["lang"], message.recovered) == ("fi", None)
        assert "/topic/a" not in peer.conversations[0].subscriptions.values()


async def test_bodies_are_decoded_to_the_type_that_was_asked_for(peer: Peer) -> None:
    async with connect(peer.url) as client:
        async with client.subscribe("/topic/a", Said) as typed, client.subscribe("/topic/a") as raw:
            await client.send("/topic/a", Said("soup"))
            assert (await typed.next()).body == Said("soup")
            assert (await raw.next()).body == b'{"text":"soup"}'


async def test_a_body_of_another_shape_is_raised_where_it_is_taken_and_the_next_one_follows(
    peer: Peer,
) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a", Said) as messages:
        await client.send("/topic/a", {"text": 7})
        await client.send("/topic/a", Said("good"))
        with pytest.raises(RemoteProtocolError, match=r"/topic/a.*text"):
            await messages.next()
        assert (await messages.next()).body == Said("good")


async def test_iterating_gives_messages_in_order_until_the_client_is_closed(peer: Peer) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a") as messages:
        for number in range(5):
            await client.send("/topic/a", str(number), receipt=False)

        async def read() -> list[bytes]:
            return [message.body async for message in messages]

        reader = asyncio.create_task(read())
        await client.send("/topic/a", b"last")
        await client.aclose()
        assert await reader == [b"0", b"1", b"2", b"3", b"4", b"last"]


async def test_ids_count_from_one_in_each_client(peer: Peer) -> None:
    # A server encodes a message once for all sessions with the same subscription id.
    async with connect(peer.url) as one, connect(peer.url) as two:
        async with one.subscribe("/topic/a"), two.subscribe("/topic/a"):
            ids = [got.headers["id"] for got in peer.got if got.destination == "/topic/a"]
            assert ids == ["1", "1"]


async def test_waiting_ends_in_time_and_loses_no_message(peer: Peer) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a") as messages:
        with pytest.raises(TimeoutError):
            await messages.next(timeout_s=0.01)
        await client.send("/topic/a", b"x")
        assert (await messages.next(timeout_s=5)).body == b"x"


async def test_several_readers_share_one_subscription(peer: Peer) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a", str) as messages:
        readers = [asyncio.create_task(messages.next()) for _ in range(3)]
        await asyncio.sleep(0)
        readers[1].cancel()
        for number in range(2):
            await client.send("/topic/a", str(number))
        taken = {(await readers[0]).body, (await readers[2]).body}
        assert taken == {"0", "1"}


async def test_a_refused_subscription_raises_when_it_is_entered(peer: Peer) -> None:
    peer.refused.add("/topic/secret")
    async with connect(peer.url) as client:
        before = client.statistics().subscriptions
        with pytest.raises(RequestError) as caught:
            async with client.subscribe("/topic/secret"):
                pytest.fail("entered")
        assert caught.value.code == "forbidden"
        assert client.statistics().subscriptions == before
        assert "UNSUBSCRIBE" not in peer.commands()


async def test_cancelling_who_enters_leaves_no_subscription_behind(peer: Peer) -> None:
    peer.no_receipts_for.add("/topic/a")
    async with connect(peer.url) as client:
        task = asyncio.create_task(client.subscribe("/topic/a").__aenter__())
        await peer.until(lambda: "SUBSCRIBE /topic/a" in peer.commands())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await peer.until(lambda: "UNSUBSCRIBE" in peer.commands())
        assert client.statistics().subscriptions == 1


async def test_a_full_queue_ends_the_subscription_after_what_is_queued(peer: Peer) -> None:
    async with connect(peer.url) as client:
        async with client.subscribe("/topic/a", str, max_queued=2) as messages:
            for number in range(4):
                await client.send("/topic/a", str(number))
            assert [(await messages.next()).body, (await messages.next()).body] == ["0", "1"]
            with pytest.raises(SlowConsumerError, match="max_queued=2"):
                await messages.next()
            with pytest.raises(SlowConsumerError):
                await anext(messages)
            statistics = messages.statistics()
            assert (statistics.received, statistics.dropped) == (3, 1)
            assert "/topic/a" not in peer.conversations[0].subscriptions.values()
        assert client.statistics().connected


async def test_the_queue_is_bounded_in_bytes_but_takes_one_message_of_any_size(peer: Peer) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a", max_queued_bytes=100) as messages:
        await client.send("/topic/a", bytes(500))
        assert len((await messages.next()).body) == 500
        await client.send("/topic/a", bytes(60))
        await client.send("/topic/a", bytes(60))
        assert len((await messages.next()).body) == 60
        with pytest.raises(SlowConsumerError, match="max_queued_bytes=100"):
            await messages.next()


async def test_drop_oldest_keeps_the_newest_and_counts_what_it_dropped(peer: Peer) -> None:
    async with connect(peer.url) as client:
        async with client.subscribe("/topic/a", str, max_queued=2, overflow=Overflow.DROP_OLDEST) as messages:
            for number in range(5):
                await client.send("/topic/a", str(number))
            assert messages.statistics().dropped == 3
            assert messages.statistics().queued == 2
            assert [(await messages.next()).body, (await messages.next()).body] == ["3", "4"]


async def test_messages_on_their_way_when_it_is_left_are_counted(peer: Peer) -> None:
    async with connect(peer.url) as client:
        messages = client.subscribe("/topic/a")
        async with messages:
            conversation = peer.conversations[0]
            name = next(key for key, value in conversation.subscriptions.items() if value == "/topic/a")
        conversation.subscriptions[name] = "/topic/a"
        peer.publish("/topic/a", b"late")
        await client.send("/topic/b", b"")
        assert client.statistics().undelivered == 1
        with pytest.raises(SessionClosedError, match="/topic/a"):
            await messages.next()


async def test_a_subscription_is_entered_once(peer: Peer) -> None:
    async with connect(peer.url) as client:
        messages = client.subscribe("/topic/a")
        async with messages:
            pass
        with pytest.raises(LocalProtocolError, match="make another one"):
            await messages.__aenter__()


async def test_leaving_after_the_client_has_closed_is_no_error(peer: Peer) -> None:
    async with connect(peer.url) as client, client.subscribe("/topic/a"):
        await client.aclose()
