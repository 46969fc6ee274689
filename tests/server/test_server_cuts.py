"""Connections cut at random bytes while messages are published: no gap, no repeat, no disorder."""

import asyncio
import random
from typing import Any

import pytest
from websockets.exceptions import InvalidHandshake

import stompede
from cutting import CuttingProxy
from serving import Serve, Served, make_app, until
from stompede import History, Stompede, StompedeError
from stompede.client import Backoff
from stompsocket import Closed, StompSocket

PLACE = "/topic/cut"
AT_ONCE = Backoff(initial_s=0.0, max_s=0.01)


def an_app() -> Stompede:
    app = make_app(max_recoveries=3)
    app.destination(PLACE, history=History(count=1_000_000, size_bytes=1 << 30))
    return app


class RawSubscriber:
    """Speaks STOMP by hand; what a client needs to recover is these few lines."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.last: str | None = None
        self.seen: list[int] = []
        self.connects = 0

    async def run(self, upto: asyncio.Future[int]) -> None:
        while not (upto.done() and self.seen and self.seen[-1] == upto.result()):
            client = None
            try:
                client = await StompSocket.open(self.url)
                await client.connect()
                await self._read(client, upto)
            except (Closed, InvalidHandshake, EOFError, OSError):
                continue
            finally:
                if client is not None:
                    client.drop()

    async def _read(self, client: StompSocket, upto: asyncio.Future[int]) -> None:
        self.connects += 1
        headers = {} if self.last is None else {"recover-from": self.last}
        await client.send("SUBSCRIBE", {"id": 1, "destination": PLACE, "receipt": "r", **headers})
        while not (upto.done() and self.seen and self.seen[-1] == upto.result()):
            frame = await client.frame()
            if frame.command == "RECEIPT":
                assert frame.headers.get("recovered", "true") == "true"
                self.last = self.last or frame.headers["position"]
            elif frame.command == "MESSAGE":
                self.last = frame.headers["message-id"]
                self.seen.append(int(frame.text.split()[0]))


class ClientSubscriber:
    """The Python client, which recovers by itself."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[int] = []
        self.gaps = 0

    async def run(self, upto: asyncio.Future[int]) -> None:
        while not self.seen:
            try:
                await self._read(upto)
            except StompedeError:  # the first connection of a client is not tried again
                assert not self.seen

    async def _read(self, upto: asyncio.Future[int]) -> None:
        async with (
            stompede.connect(self.url, reconnect=AT_ONCE, connect_timeout_s=5) as client,
            client.subscribe(PLACE, str, max_queued=100_000) as messages,
        ):
            while not (upto.done() and self.seen and self.seen[-1] == upto.result()):
                message = await messages.next(timeout_s=30)
                assert message.recovered is not False
                self.seen.append(int(message.body.split()[0]))
            self.gaps = messages.statistics().gaps


async def cut_many(served: Served, cuts: int, subscribers: int, seed: int, published: Any = 20) -> None:
    """Publishes until so many connections were cut, and checks what each subscriber saw."""
    chance = random.Random(seed)
    upto: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with CuttingProxy(served.port, chance, longest=6000).running() as proxy:
        url = f"ws://127.0.0.1:{proxy.port}/stomp"
        everybody = [kind(url) for kind in (RawSubscriber, ClientSubscriber) for _ in range(subscribers)]
        async with asyncio.TaskGroup() as group:
            for one in everybody:
                group.create_task(one.run(upto))
            number = 0
            while proxy.cuts < cuts:
                for _ in range(chance.randrange(1, published)):
                    number += 1
                    await served.app.publish(PLACE, f"{number} {'x' * chance.randrange(200)}")
                before = proxy.cuts
                await until(lambda before=before: proxy.cuts > before or chance.random() < 0.2)
            proxy.cutting = False
            number += 1
            upto.set_result(number)
            await served.app.publish(PLACE, f"{number} end")
    for one in everybody:
        assert one.seen == list(range(one.seen[0], number + 1)), f"{type(one).__name__} of seed {seed}"
        assert len(one.seen) > number // 2
    assert all(one.gaps == 0 for one in everybody if isinstance(one, ClientSubscriber))
    assert served.node.histories.statistics().lost == 0


async def test_connections_cut_at_random_bytes_lose_nothing_and_repeat_nothing(serve: Serve) -> None:
    served = await serve(an_app())
    await cut_many(served, cuts=150, subscribers=3, seed=1)


@pytest.mark.proof
@pytest.mark.timeout(900)
async def test_thousands_of_cuts_lose_nothing_and_repeat_nothing(serve: Serve) -> None:
    served = await serve(an_app())
    for seed in range(5):
        await cut_many(served, cuts=1000, subscribers=6, seed=seed)
