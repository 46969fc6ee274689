"""What queue stores promise each other whose nodes share their queues, as a suite."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import pytest

from stompede.store import Queue
from stompede.store.queues import QueueStore, Refusal, Refused
from stompede.testing.contracts.queue_house import JOBS, known
from stompede.testing.contracts.queues import QueueStoreContract


class SharedQueueStoreContract(QueueStoreContract):
    """The promises of a `QueueStore` for many nodes: those of `QueueStoreContract`, and what nodes promise each other.

    For the stores that `make_store` makes a node is dead after so few seconds of silence that a test can wait for it.
    """

    @abstractmethod
    async def join(self, store: QueueStore[Any]) -> QueueStore[Any]:
        """Another node's way to the queues of a store that `make_store` made; not started."""

    @abstractmethod
    async def crash(self, store: QueueStore[Any]) -> None:
        """Ends a store as a process that is killed would: nobody is told."""

    @contextlib.asynccontextmanager
    async def another(
        self, store: QueueStore[Any], told: list[str] | None = None
    ) -> AsyncIterator[QueueStore[Any]]:
        """Another node, started; what it says of waiting messages goes to ``told``."""
        made = await self.join(store)
        await made.start((lambda _: None) if told is None else told.append)
        try:
            yield made
        finally:
            await made.aclose()

    async def wait_taken(self, store: QueueStore[Any], count: int = 100, queue: str = JOBS) -> list[Any]:
        """Takes messages as soon as there are some."""
        async with asyncio.timeout(self.patience_s):
            while not (taken := await self.take(store, count, queue)):  # noqa: ASYNC110 - another process may act
                await asyncio.sleep(0.02)
        return taken

    async def test_each_message_goes_to_one_of_many_nodes(self) -> None:
        async with self.store() as first, self.another(first) as second, self.another(first) as third:
            nodes = (first, second, third)
            await self.put(second, *range(100))
            portions = await asyncio.gather(*(self.take(nodes[turn % 3], 4) for turn in range(40)))
            assert sorted(number for taken in portions for number in self.numbers(taken)) == list(range(100))

    async def test_what_nodes_append_stands_in_one_order(self) -> None:
        async with self.store() as first, self.another(first) as second:
            for number in range(10):
                await self.put(first if number % 2 else second, number)
            assert self.numbers(await self.take(second)) == list(range(10))

    async def test_what_one_node_gives_back_another_gets_at_the_front_and_counted(self) -> None:
        async with self.store() as first, self.another(first) as second:
            await self.put(first, 1, 2, 3)
            one, two = await self.take(first, 2)
            await known(first.give_back(JOBS, [two.id], delivered=False))
            await known(first.give_back(JOBS, [one.id], delivered=True))
            taken = await self.take(second)
            assert self.numbers(taken) == [1, 2, 3]
            assert [(each.deliveries, each.redelivered) for each in taken] == [
                (2, True),
                (1, False),
                (1, False),
            ]

    async def test_nobody_settles_or_gives_back_what_another_node_has(self) -> None:
        async with self.store() as first, self.another(first) as second:
            await self.put(first, 1)
            (one,) = await self.take(first)
            await known(second.settle(JOBS, [one.id]))
            await known(second.give_back(JOBS, [one.id], delivered=True))
            await known(second.append([], [(JOBS, one.id)], now=self.now))
            assert await self.lengths(second) == (0, 1, 10)

    async def test_the_bounds_are_one_for_all_nodes(self) -> None:
        async with self.store(max_queues=2, max_bytes=100) as first, self.another(first) as second:
            few = Queue(max_messages=1)
            await self.put(first, 1, queue="a", limits=few)
            await self.put(first, 1, queue="b", size_bytes=80)
            assert await self.put(second, 2, queue="a", limits=few) == Refused("a", Refusal.FULL)
            assert await self.put(second, 2, queue="c") == Refused("c", Refusal.NO_ROOM)
            assert await self.put(second, 2, queue="b", size_bytes=11) == Refused("b", Refusal.NO_BYTES)
            assert second.statistics().queues == 2

    async def test_a_node_is_told_of_what_others_append_and_give_back(self) -> None:
        told: list[str] = []
        async with self.store() as first, self.another(first, told) as second:
            await known(second.watch(JOBS))
            for number in range(3):
                await self.put(first, number)
                await self._told(told)
                assert self.numbers(await self.take(second)) == [number]
            await self.put(first, 4)
            (one,) = await self.take(first)
            await self._told(told)
            await known(first.give_back(JOBS, [one.id], delivered=True))
            await self._told(told)

    async def test_a_node_is_told_of_many_queues_at_once(self) -> None:
        told: list[str] = []
        names = [f"/queue/{number}" for number in range(50)]
        async with self.store() as first, self.another(first, told) as second:
            for name in names:
                await known(second.watch(name))
            entries = [entry for name in names for entry in self.entries([1], name)]
            assert await known(first.append(entries, now=self.now)) is None
            async with asyncio.timeout(self.patience_s):
                while not set(names) <= set(told):  # noqa: ASYNC110 - `waiting` of another node
                    await asyncio.sleep(0.005)

    async def test_every_node_that_watches_is_told(self) -> None:
        told: list[list[str]] = [[], [], []]
        async with self.store() as first, contextlib.AsyncExitStack() as stack:
            for each in told:
                node = await stack.enter_async_context(self.another(first, each))
                await known(node.watch(JOBS))
            await self.put(first, 1)
            for each in told:
                await self._told(each)

    async def _told(self, told: list[str], queue: str = JOBS) -> None:
        async with asyncio.timeout(self.patience_s):
            while queue not in told:  # noqa: ASYNC110 - `waiting` of many nodes
                await asyncio.sleep(0.005)
        told.clear()

    async def test_what_a_node_had_that_crashed_waits_again_in_its_old_order_and_counted(self) -> None:
        told: list[str] = []
        async with self.store() as first, self.another(first, told) as second:
            crashing = await self.join(first)
            await crashing.start(lambda _: None)
            await self.put(first, *range(5))
            await known(second.watch(JOBS))
            await self._told(told)
            assert self.numbers(await self.take(crashing, 3)) == [0, 1, 2]
            assert self.numbers(await self.take(second)) == [3, 4]
            await self.crash(crashing)
            await self._told(told)
            taken = await self.wait_taken(second)
            assert self.numbers(taken) == [0, 1, 2]
            assert [(each.deliveries, each.redelivered) for each in taken] == [(2, True)] * 3

    async def test_who_lives_keeps_what_it_has_taken_while_others_die(self) -> None:
        async with self.store() as first, self.another(first) as second:
            crashing = await self.join(first)
            await crashing.start(lambda _: None)
            await self.put(first, 1, 2)
            (one,) = await self.take(second, 1)
            await self.take(crashing, 1)
            await self.crash(crashing)
            (two,) = await self.wait_taken(first)
            assert self.numbers([one, two]) == [1, 2]
            await known(second.settle(JOBS, [one.id]))
            assert await self.lengths(first) == (0, 1, 10)

    async def test_what_a_node_had_that_ended_waits_again_at_once(self) -> None:
        async with self.store() as first:
            async with self.another(first) as second:
                await self.put(first, 1, 2)
                await self.take(second, 1)
            taken = await self.take(first)
            assert self.numbers(taken) == [1, 2]
            assert [each.deliveries for each in taken] == [1, 1]

    async def test_of_a_deleted_queue_nobody_has_anything(self) -> None:
        async with self.store() as first, self.another(first) as second:
            await self.put(first, 1, 2)
            (one,) = await self.take(first, 1)
            await known(second.delete(JOBS))
            await known(first.give_back(JOBS, [one.id], delivered=True))
            assert await self.lengths(first) == (0, 0, 0)

    async def test_what_is_over_is_handed_out_as_expired_by_one_node(self) -> None:
        async with self.store() as first, self.another(first) as second:
            await self.put(first, *range(10), limits=Queue(ttl_s=1))
            await self.pass_time(2)
            found = await asyncio.gather(
                *(known(node.take_expired(6, now=self.now)) for node in (first, second))
            )
            assert sorted(len(each) for each in found) == [4, 6]
            assert len({one.id for each in found for _, one in each}) == 10

    @pytest.mark.parametrize("turns", range(1, 5))
    async def test_what_is_taken_for_somebody_who_goes_away_waits_again(self, turns: int) -> None:
        async with self.store() as first, self.another(first) as second:
            await self.put(first, 1)
            outcome = first.take(JOBS, 1, now=self.now)
            if isinstance(outcome, Awaitable):
                task = asyncio.ensure_future(_first(outcome))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            else:
                await known(first.give_back(JOBS, [outcome[0].id], delivered=False))
            (one,) = await self.wait_taken(second)
            assert (one.deliveries, one.redelivered) == (1, False)


async def _first(outcome: Awaitable[Any]) -> Any:
    return await outcome
