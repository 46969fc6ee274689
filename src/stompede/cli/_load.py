"""A fan-out load on a running node by real clients, which count what they get against what they should get."""

from __future__ import annotations

import asyncio
import os
import time
from array import array
from collections.abc import Callable

import msgspec

import stompede
from stompede.client import Client
from stompede.errors import ConfigurationError


class LoadPlan(msgspec.Struct, frozen=True):
    """What to do.

    Attributes:
        url: WebSocket URL of the node.
        destination: topic to publish to.
        subscribers: clients that listen.
        window: publications in flight; one counts as in flight until every subscriber has it.
        seconds: how long to publish.
        body_bytes: size of each body.
        token: token of all clients, or ``None`` for guests.
    """

    url: str
    destination: str
    subscribers: int
    window: int
    seconds: float
    body_bytes: int
    token: str | None = None


class LoadReport(msgspec.Struct, frozen=True, rename="camel"):
    """What came out.

    Attributes:
        published: publications.
        expected: deliveries that should have come.
        received: deliveries that came, each counted by the client that got it.
        out_of_order: deliveries that came before an earlier publication's.
        seconds: from the first publication to the last delivery.
        deliveries_per_s: `received` by `seconds`.
        p50_ms: median time from publication to delivery.
        p99_ms: the time that 99 % of the deliveries took at most.
        max_ms: the longest.
    """

    published: int
    expected: int
    received: int
    out_of_order: int
    seconds: float
    deliveries_per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def whole(self) -> bool:
        """Whether every client got everything, in order."""
        return self.received == self.expected and not self.out_of_order


_HEAD_BYTES = 8 + 8 + 8  # run, number, time
_QUIET_S = 5.0


class _Fanout:
    """The state of one run."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.run = os.urandom(8)  # what other runs publish meanwhile is not counted
        self.latencies_ns = array("q")
        self.received = 0
        self.out_of_order = 0
        self.published = 0
        self.last_ns = 0
        self._missing: dict[int, int] = {}
        self._changed = asyncio.Event()
        self._padding = bytes(max(0, plan.body_bytes - _HEAD_BYTES))

    def next_body(self) -> bytes:
        number = self.published
        self.published += 1
        self._missing[number] = self.plan.subscribers
        now = time.perf_counter_ns()
        return self.run + number.to_bytes(8) + now.to_bytes(8) + self._padding

    def counter(self) -> Callable[[bytes], None]:
        """Counts for one subscriber."""
        newest = -1

        def count(body: bytes) -> None:
            nonlocal newest
            if body[:8] != self.run:
                return
            self.last_ns = time.perf_counter_ns()
            number = int.from_bytes(body[8:16])
            self.latencies_ns.append(self.last_ns - int.from_bytes(body[16:24]))
            self.received += 1
            if number <= newest:
                self.out_of_order += 1
            newest = max(newest, number)
            self._missing[number] -= 1
            if not self._missing[number]:
                del self._missing[number]
                self._changed.set()

        return count

    async def until_in_flight(self, at_most: int) -> bool:
        """Waits until no more publications are in flight; false when nothing has moved for a while."""
        while len(self._missing) > at_most:
            self._changed.clear()
            before = self.received
            try:
                async with asyncio.timeout(_QUIET_S):
                    await self._changed.wait()
            except TimeoutError:
                if self.received == before:
                    return False
        return True


async def run_load(plan: LoadPlan, progress: Callable[[str], None]) -> LoadReport:
    """Connects, publishes for the time that the plan says, and counts.

    Raises:
        ConfigurationError: the node is not there, or does not let these clients in.
        StompedeError: a client failed on the way.
    """
    fanout = _Fanout(plan)
    async with asyncio.TaskGroup() as tasks:
        ready = asyncio.Semaphore(0)
        listeners = [
            tasks.create_task(_listen(plan, fanout.counter(), ready)) for _ in range(plan.subscribers)
        ]
        for count in range(plan.subscribers):
            await ready.acquire()
            if (count + 1) % 100 == 0:
                progress(f"{count + 1} subscribers")
        progress(f"publishing for {plan.seconds:g} s")
        async with _client(plan) as publisher:
            started_ns = time.perf_counter_ns()
            await _publish(plan, fanout, publisher, started_ns)
        for listener in listeners:
            listener.cancel()
    return _report(fanout, started_ns)


def _client(plan: LoadPlan) -> Client:
    return stompede.connect(plan.url, token=plan.token, reconnect=None)


async def _listen(plan: LoadPlan, count: Callable[[bytes], None], ready: asyncio.Semaphore) -> None:
    async with (
        _client(plan) as client,
        client.subscribe(plan.destination, bytes, max_queued=100_000) as messages,
    ):
        ready.release()
        async for message in messages:
            count(message.body)


async def _publish(plan: LoadPlan, fanout: _Fanout, publisher: Client, started_ns: int) -> None:
    ends_ns = started_ns + int(plan.seconds * 1e9)
    while time.perf_counter_ns() < ends_ns:
        if not await fanout.until_in_flight(plan.window - 1):
            return
        await publisher.send(plan.destination, fanout.next_body(), receipt=False)
    await fanout.until_in_flight(0)


def _report(fanout: _Fanout, started_ns: int) -> LoadReport:
    latencies = sorted(fanout.latencies_ns)
    if not latencies:
        raise ConfigurationError(
            f"no subscriber of {fanout.plan.destination} got anything; may these clients publish there? "
            "Choose another topic by --destination"
        )
    seconds = (fanout.last_ns - started_ns) / 1e9
    return LoadReport(
        published=fanout.published,
        expected=fanout.published * fanout.plan.subscribers,
        received=fanout.received,
        out_of_order=fanout.out_of_order,
        seconds=round(seconds, 3),
        deliveries_per_s=round(fanout.received / seconds, 1),
        p50_ms=_ms(latencies, 0.5),
        p99_ms=_ms(latencies, 0.99),
        max_ms=_ms(latencies, 1.0),
    )


def _ms(latencies_ns: list[int], share: float) -> float:
    return round(latencies_ns[min(len(latencies_ns) - 1, int(share * len(latencies_ns)))] / 1e6, 3)
