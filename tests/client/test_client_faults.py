"""What must hold whatever breaks, and whenever: a seeded storm of cut lines and expired tokens."""

import asyncio
import random

import pytest
from stomp_peer import Peer

from stompede.client import Backoff, Overflow, connect
from stompede.errors import RequestError, SessionClosedError

SENDS = 300


@pytest.mark.parametrize("seed", range(4))
async def test_sends_are_handled_at_most_once_and_in_order_and_confirmed_ones_exactly_once(
    peer: Peer, seed: int
) -> None:
    chance = random.Random(seed)
    generation = 1
    peer.valid_token = "t1"

    def misfortune() -> None:
        nonlocal generation
        what = chance.random()
        if what < 0.04:
            peer.cut()
        elif what < 0.1:
            generation += 1
            peer.valid_token = f"t{generation}"

    confirmed: list[int] = []
    unknown: list[int] = []
    refused: list[int] = []
    soon = Backoff(initial_s=0.001, max_s=0.01)
    async with connect(peer.url, token=lambda: f"t{generation}", reconnect=soon) as client:
        async with client.subscribe("/topic/a", int, overflow=Overflow.DROP_OLDEST):

            async def send(number: int) -> None:
                try:
                    await client.send("/topic/a", number)
                except SessionClosedError:
                    unknown.append(number)
                except RequestError:  # the new token had expired, too
                    refused.append(number)
                else:
                    confirmed.append(number)

            async with asyncio.TaskGroup() as group:
                for number in range(SENDS):
                    group.create_task(send(number))
                    misfortune()
                    for _ in range(chance.randrange(4)):
                        await asyncio.sleep(0)
        statistics = client.statistics()
        assert (statistics.in_flight, statistics.queued_sends, statistics.queued_bytes) == (0, 0, 0)
        assert statistics.subscriptions == 1
    handled = [int(body) for body in peer.handled]
    assert handled == sorted(set(handled))
    assert set(confirmed) <= set(handled) <= set(confirmed) | set(unknown)
    assert len(confirmed) + len(unknown) + len(refused) == SENDS
    assert confirmed
    assert statistics.connects > 1


async def test_a_subscription_survives_a_hundred_lost_connections(peer: Peer) -> None:
    soon = Backoff(initial_s=0.0, max_s=0.0)
    async with connect(peer.url, reconnect=soon) as client, client.subscribe("/topic/a", int) as messages:
        for number in range(100):
            peer.cut()
            await client.wait_disconnected()
            await client.send("/topic/a", number)
            message = await messages.next(timeout_s=5)
            assert (message.body, message.recovered) == (number, False)
        assert messages.statistics().gaps == 100
        assert client.statistics().connects == 101
        assert client.statistics().subscriptions == 2


async def test_garbage_from_the_server_never_raises_out_of_the_client(peer: Peer) -> None:
    chance = random.Random(7)
    for _ in range(60):
        async with connect(peer.url, reconnect=None, close_timeout_s=0.5) as client:
            conversation = peer.conversations[-1]
            frame = bytearray(b"MESSAGE\nsubscription:1\nmessage-id:1\ndestination:/topic/a\n\nbody\0")
            for _ in range(chance.randrange(1, 8)):
                frame[chance.randrange(len(frame))] = chance.randrange(256)
            conversation.transport.send(chance.choice([1, 2]), bytes(frame))
            conversation.transport.send(2, b"NONSENSE\n\n\0")
            await client.wait_closed()
            with pytest.raises(SessionClosedError):
                await client.send("/topic/a", b"")
