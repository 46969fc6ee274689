"""What the tests of the contract of queue stores share."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any, ClassVar, TypeVar

import pytest

from stompede.store import Queue
from stompede.store.queues import Entry, Length, QueueStore, Refused, Taken

T = TypeVar("T")
JOBS = "/queue/jobs"


async def known(outcome: T | Awaitable[T]) -> T:
    """What a method of the store says, now or later."""
    return await outcome if isinstance(outcome, Awaitable) else outcome


class QueueStoreHouse(ABC):
    """How the suite makes stores, and what its tests ask of them.

    Attributes:
        patience_s: how long a call of ``waiting`` may take before a test fails.
        now: the time that the suite passes; it moves with `pass_time`.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]
    patience_s: float = 5.0
    now: float = 1_000_000.0

    @abstractmethod
    async def make_store(self, *, max_queues: int = 1000, max_bytes: int = 1_000_000) -> QueueStore[Any]:
        """A new store, not started, for so many queues and bytes. The suite starts it and closes it. What different
        tests make must not meet.
        """

    async def pass_time(self, seconds: float) -> None:
        """Lets time pass. A store that asks a server's clock really waits; no step is longer than 2 seconds."""
        self.now += seconds

    def item(self, number: int) -> Any:
        """An item to keep. Override it where a store carries something else than ``bytes``: equal for equal numbers,
        different for different ones.
        """
        return f"item {number}".encode()

    @contextlib.asynccontextmanager
    async def store(self, **options: Any) -> AsyncIterator[QueueStore[Any]]:
        """A started store; what it says of waiting messages is in `told`."""
        self.told: list[str] = []
        self.threads: set[int] = set()
        self._came = asyncio.Event()
        made = await self.make_store(**options)
        await made.start(self._waiting)
        try:
            yield made
        finally:
            await made.aclose()

    def _waiting(self, queue: str) -> None:
        self.threads.add(threading.get_ident())
        self.told.append(queue)
        self._came.set()

    async def wait_told(self, queue: str = JOBS) -> list[str]:
        """Waits until the store has said that messages wait in a queue; returns what it said, and forgets it."""
        try:
            async with asyncio.timeout(self.patience_s):
                while queue not in self.told:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise AssertionError(f"nobody said that messages wait in {queue}") from None
        told, self.told = self.told, []
        return told

    def entries(
        self, numbers: Sequence[int], queue: str = JOBS, *, size_bytes: int = 10, limits: Queue | None = None
    ) -> list[Entry[Any]]:
        """Messages for a queue."""
        return [Entry(queue, self.item(number), size_bytes, limits or Queue()) for number in numbers]

    async def put(
        self, store: QueueStore[Any], *numbers: int, queue: str = JOBS, **options: Any
    ) -> Refused | None:
        """Appends messages, one after another; returns what the last one met."""
        outcome = None
        for entry in self.entries(numbers, queue, **options):
            outcome = await known(store.append([entry], now=self.now))
        return outcome

    async def take(self, store: QueueStore[Any], count: int = 100, queue: str = JOBS) -> list[Taken[Any]]:
        """Takes messages."""
        return list(await known(store.take(queue, count, now=self.now)))

    def numbers(self, taken: Sequence[Taken[Any]]) -> list[int]:
        """Which messages those are."""
        by_item = {self.item(number): number for number in range(200)}
        return [by_item[each.item] for each in taken]

    async def lengths(self, store: QueueStore[Any], queue: str = JOBS) -> tuple[int, int, int]:
        """What a queue holds: waiting, taken, bytes."""
        length: Length = await known(store.length(queue))
        return length.waiting, length.taken, length.size_bytes
