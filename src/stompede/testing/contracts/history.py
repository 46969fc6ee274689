"""The contract of every history, as a suite; the promises are written down in `stompede.store.HistoryStore`."""

from __future__ import annotations

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Any, ClassVar

import pytest

from stompede.store import History, HistoryStore, Page, Position

PLACE = "/topic/a"
MANY = History(count=1000)


async def answer(outcome: Any) -> Any:
    """Waits for what a history returns, where it has to be waited for."""
    return await outcome if isinstance(outcome, Awaitable) else outcome


class HistoryContract(ABC):
    """The promises of every `HistoryStore`. Derive a class, name it ``Test...``, and say how a store is made.

    Attributes:
        now: the time that is passed in.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]
    now: float = 1000.0

    @abstractmethod
    async def make_store(
        self, *, max_destinations: int = 1000, max_bytes: int = 1024 * 1024
    ) -> HistoryStore[Any]:
        """A new, empty store with these bounds. What it holds open is closed by a fixture of the derived class."""

    def item(self, number: int) -> Any:
        """An item to append. Override it where a store keeps something else than ``bytes``: equal for equal numbers,
        different for different ones.
        """
        return f"item {number}".encode()

    async def pass_time(self, seconds: float) -> None:
        """Let time go on. A store that goes by a server's clock overrides this to wait really."""
        self.now += seconds

    async def append(
        self,
        store: HistoryStore[Any],
        numbers: range,
        limits: History = MANY,
        *,
        place: str = PLACE,
        size_bytes: int = 10,
    ) -> list[Position]:
        """Appends items one after the other."""
        return [
            await answer(store.append(place, self.item(number), size_bytes, limits, self.now))
            for number in numbers
        ]

    async def read(
        self, store: HistoryStore[Any], after: Position, limit: int = 10_000, *, place: str = PLACE
    ) -> Page[Any]:
        """One page after a position."""
        page: Page[Any] = await answer(store.read(place, after, limit, self.now))
        return page

    async def last(self, store: HistoryStore[Any], limit: int = 10_000, *, place: str = PLACE) -> Page[Any]:
        """The newest items."""
        page: Page[Any] = await answer(store.last(place, limit, self.now))
        return page

    def of(self, page: Page[Any]) -> list[tuple[int, Any]]:
        """Offsets and items of a page."""
        return [(kept.position.offset, kept.item) for kept in page.items]

    def numbered(self, numbers: range) -> list[tuple[int, Any]]:
        """What `of` gives where item 1 has offset 1."""
        return [(number, self.item(number)) for number in numbers]

    async def test_positions_count_from_one_in_one_epoch(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 6))
        assert [position.offset for position in positions] == [1, 2, 3, 4, 5]
        assert len({position.epoch for position in positions}) == 1
        assert re.fullmatch("[0-9a-z]+", positions[0].epoch)

    async def test_a_position_is_a_text_that_says_it(self) -> None:
        store = await self.make_store()
        position = (await self.append(store, range(1, 2)))[0]
        assert str(position) == f"{position.epoch}-1"
        assert Position.parse(str(position)) == position

    async def test_positions_keep_the_order_of_the_calls_not_of_the_waiting(self) -> None:
        store = await self.make_store()
        outcomes = [store.append(PLACE, self.item(number), 10, MANY, self.now) for number in range(1, 51)]
        positions = [await answer(outcome) for outcome in reversed(outcomes)]
        assert [position.offset for position in reversed(positions)] == list(range(1, 51))
        assert self.of(await self.last(store)) == self.numbered(range(1, 51))

    async def test_destinations_count_for_themselves(self) -> None:
        store = await self.make_store()
        for place in ("/topic/a", "/topic/b", " ", "", "/topic/라이더", "a\nb", "{x}:*"):
            assert [position.offset for position in await self.append(store, range(1, 3), place=place)] == [
                1,
                2,
            ]
            assert self.of(await self.last(store, place=place)) == self.numbered(range(1, 3))

    async def test_read_gives_all_that_came_after_a_position_in_order(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 11))
        page = await self.read(store, positions[3])
        assert page.complete
        assert self.of(page) == self.numbered(range(5, 11))
        assert page.top == positions[-1]
        assert {kept.position.epoch for kept in page.items} == {positions[0].epoch}

    async def test_after_the_newest_there_is_nothing_and_it_is_complete(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 4))
        page = await self.read(store, positions[-1])
        assert (page.complete, page.items, page.top) == (True, (), positions[-1])

    async def test_a_limit_cuts_off_the_newest_and_the_next_page_goes_on_there(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 11))
        page = await self.read(store, positions[0], 4)
        assert page.complete
        assert self.of(page) == self.numbered(range(2, 6))
        rest = await self.read(store, page.items[-1].position, 100)
        assert self.of(rest) == self.numbered(range(6, 11))
        asked = await self.read(store, positions[0], 0)
        assert (asked.complete, asked.items, asked.top) == (True, (), positions[-1])

    async def test_last_gives_the_newest_in_order(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 11))
        assert self.of(await self.last(store, 3)) == self.numbered(range(8, 11))
        nothing = await self.last(store, 0)
        assert (nothing.items, nothing.top) == ((), positions[-1])

    async def test_what_nothing_was_appended_to_has_a_position_to_recover_from(self) -> None:
        store = await self.make_store()
        top = (await self.last(store, 10)).top
        assert top.offset == 0
        await self.append(store, range(1, 4))
        page = await self.read(store, top)
        assert page.complete
        assert self.of(page) == self.numbered(range(1, 4))

    async def test_no_more_is_kept_than_the_count_says(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 11), History(count=3))
        assert self.of(await self.last(store)) == self.numbered(range(8, 11))
        assert (await self.read(store, positions[6])).complete
        page = await self.read(store, positions[5])
        assert (page.complete, page.items) == (False, ())
        assert page.top == positions[-1]

    async def test_no_more_is_kept_than_the_bytes_say(self) -> None:
        store = await self.make_store()
        await self.append(store, range(1, 11), History(size_bytes=35), size_bytes=10)
        assert self.of(await self.last(store)) == self.numbered(range(8, 11))

    async def test_what_is_too_large_is_not_kept_but_has_its_position(self) -> None:
        store = await self.make_store()
        limits = History(size_bytes=35)
        before = await self.append(store, range(1, 3), limits)
        (large,) = await self.append(store, range(3, 4), limits, size_bytes=36)
        assert large == Position(before[0].epoch, 3)
        assert not (await self.read(store, before[-1])).complete
        (after,) = await self.append(store, range(4, 5), limits)
        assert after.offset == 4
        assert self.of(await self.read(store, large)) == self.numbered(range(4, 5))

    async def test_what_is_too_old_is_dropped_and_the_epoch_goes_on(self) -> None:
        store = await self.make_store()
        limits = History(age_s=2)
        first = await self.append(store, range(1, 3), limits)
        await self.pass_time(1.5)
        second = await self.append(store, range(3, 5), limits)
        await self.pass_time(1)
        assert self.of(await self.last(store)) == self.numbered(range(3, 5))
        assert not (await self.read(store, first[0])).complete
        await self.pass_time(2)
        assert (await self.last(store)).items == ()
        page = await self.read(store, second[-1])
        assert (page.complete, page.top) == (True, second[-1])
        assert (await self.append(store, range(5, 6), limits)) == [Position(first[0].epoch, 5)]

    async def test_a_position_of_another_epoch_or_of_the_future_is_never_complete(self) -> None:
        store = await self.make_store()
        positions = await self.append(store, range(1, 4))
        for wrong in (
            Position("0", 1),
            Position(positions[0].epoch + "0", 1),
            Position(positions[0].epoch, 4),
            Position("0", 0),
        ):
            page = await self.read(store, wrong)
            assert (page.complete, page.items, page.top) == (False, (), positions[-1])

    async def test_what_was_silent_for_the_longest_time_goes_first_and_its_epoch_ends(self) -> None:
        store = await self.make_store(max_destinations=3)
        old = await self.append(store, range(1, 3), place="/topic/0")
        for number in (1, 2):
            await self.append(store, range(1, 3), place=f"/topic/{number}")
        await self.append(store, range(3, 4), place="/topic/0")
        await self.append(store, range(1, 3), place="/topic/3")
        assert self.of(await self.read(store, old[-1], place="/topic/0")) == self.numbered(range(3, 4))
        assert (await self.last(store, place="/topic/1")).items == ()
        (anew,) = await self.append(store, range(9, 10), place="/topic/1")
        assert anew.offset == 1
        for known in old:
            assert known.epoch != anew.epoch
            assert not (await self.read(store, known, place="/topic/1")).complete

    async def test_all_together_stay_within_the_bytes_of_the_store(self) -> None:
        store = await self.make_store(max_bytes=100)
        for number in range(30):
            await self.append(store, range(1, 3), place=f"/topic/{number}", size_bytes=20)
        kept = [len((await self.last(store, place=f"/topic/{number}")).items) for number in range(30)]
        assert sum(kept) * 20 <= 100
        assert kept[-1] == 2
        await self.append(store, range(1, 30), place="/topic/large", size_bytes=20)
        assert 0 < len((await self.last(store, place="/topic/large")).items) <= 5

    async def test_asking_for_what_is_not_there_evicts_nothing(self) -> None:
        store = await self.make_store(max_destinations=3)
        await self.append(store, range(1, 3))
        for number in range(10):
            await self.last(store, place=f"/topic/{number}")
            await self.read(store, Position("0", 1), place=f"/topic/{number}")
        assert self.of(await self.last(store)) == self.numbered(range(1, 3))

    async def test_many_at_once_leave_no_gap_and_no_double(self) -> None:
        store = await self.make_store()

        async def some(numbers: range) -> list[Position]:
            return await self.append(store, numbers)

        found = await asyncio.gather(*(some(range(10 * n, 10 * n + 10)) for n in range(10)))
        assert sorted(position.offset for positions in found for position in positions) == list(range(1, 101))
        for positions in found:
            assert [one.offset for one in positions] == sorted(one.offset for one in positions)

    async def test_statistics_count_what_happened(self) -> None:
        store = await self.make_store(max_destinations=1)
        positions = await self.append(store, range(1, 5))
        await self.read(store, positions[1])
        await self.read(store, Position("0", 7))
        await self.append(store, range(1, 2), place="/topic/b")
        store.tidy(self.now)
        counted = store.statistics()
        assert (counted.appended, counted.read, counted.unreachable, counted.evicted) == (5, 2, 1, 1)
        assert (counted.destinations, counted.messages, counted.size_bytes) in (
            (1, 1, 10),
            (None, None, None),
        )

    async def test_it_can_be_closed_twice(self) -> None:
        store = await self.make_store()
        await self.append(store, range(1, 3))
        await store.aclose()
        await store.aclose()
