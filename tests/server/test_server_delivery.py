"""The promise of delivery under much coming and going.

Publishers number what they publish. Whoever has a RECEIPT for its SUBSCRIBE gets every number from then on, each once
and in order, until it sends UNSUBSCRIBE; and none after the RECEIPT for that.
"""

import asyncio
import random

import pytest

from serving import Serve, Served, make_app
from stompsocket import StompSocket

DESTINATIONS = [f"/topic/{name}" for name in "abcd"]


class Publisher:
    """Publishes numbers to random destinations, one by one and by the bunch, as a client and as the application."""

    def __init__(self, served: Served, seed: int) -> None:
        self.served = served
        self.chance = random.Random(seed)
        self.published = dict.fromkeys(DESTINATIONS, 0)
        self.stop = False

    async def run(self) -> None:
        client = await self.served.client()
        while not self.stop:
            destination = self.chance.choice(DESTINATIONS)
            for _ in range(self.chance.choice((1, 1, 2, 20))):
                number = self.published[destination] + 1
                if self.chance.random() < 0.5:
                    await client.request("SEND", {"destination": destination}, str(number))
                else:
                    await self.served.app.publish(destination, number)
                self.published[destination] = number
            await asyncio.sleep(0)


async def listen(served: Served, publisher: Publisher, seed: int, rounds: int) -> int:
    """Subscribes, reads, unsubscribes; returns how many messages came."""
    chance = random.Random(seed)
    client = await served.client({"accept-version": chance.choice(("1.1", "1.2"))})
    got = 0
    for round_number in range(rounds):
        destination = chance.choice(DESTINATIONS)
        sid = chance.choice(("s", f"sub-{seed}-{round_number}"))
        await client.subscribe(destination, sid)
        first = publisher.published[destination] + 1
        numbers: list[int] = []
        wanted = first + chance.randrange(1, 12)
        while not numbers or numbers[-1] < wanted:
            message = await client.message()
            assert message.headers["subscription"] == sid
            assert message.headers["destination"] == destination
            numbers.append(int(message.text))
        last = publisher.published[destination]
        await client.request("UNSUBSCRIBE", {"id": sid})
        numbers += [int(frame.text) for frame in client.frames]
        client.frames.clear()
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "each once, in order"
        assert numbers[0] <= first, "nothing is missed from the receipt on"
        assert numbers[-1] >= last, "nor until UNSUBSCRIBE"
        assert await client.settle() == [], "nothing comes after its receipt"
        got += len(numbers)
    return got


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_missed_doubled_or_disordered(serve: Serve, seed: int) -> None:
    served = await serve(make_app())
    publisher = Publisher(served, seed)
    publishing = asyncio.create_task(publisher.run())
    got = await asyncio.gather(*(listen(served, publisher, seed * 100 + number, 12) for number in range(15)))
    publisher.stop = True
    await publishing
    assert all(got)
    statistics = served.node.statistics()
    assert statistics.hub.subscriptions == statistics.hub.topics == 0


async def listen_among_many(served: Served, client: StompSocket, count: int) -> None:
    for number in range(count):
        message = await client.message()
        assert message.text == str(number)


async def test_many_messages_to_many_sessions_arrive_complete(serve: Serve) -> None:
    served = await serve(make_app(outbound_bytes=10_000_000))
    clients = [await served.client() for _ in range(60)]
    for number, client in enumerate(clients):
        await client.subscribe("/topic/a", f"id-{number % 7}")
    readers = [asyncio.create_task(listen_among_many(served, client, 300)) for client in clients]
    for number in range(300):
        await served.app.publish("/topic/a", number)
    await asyncio.gather(*readers)
    assert served.node.statistics().hub.delivered == 18_000
