"""The contract of a history that many nodes share, as a suite; the promises are written down in
`stompede.store.HistoryStore`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from stompede.store import History, HistoryStore, Position
from stompede.testing.contracts.history import MANY, PLACE, HistoryContract, answer


class SharedHistoryContract(HistoryContract):
    """The promises of a `HistoryStore` for many nodes: those of `HistoryContract`, and what nodes promise each
    other.
    """

    @abstractmethod
    async def join(self, store: HistoryStore[Any]) -> HistoryStore[Any]:
        """Another node's way to what a store that `make_store` made keeps."""

    @abstractmethod
    async def begin_anew(self, store: HistoryStore[Any]) -> None:
        """What is behind a store that `make_store` made loses all that it has, as a server that restarts empty."""

    async def test_it_says_that_other_nodes_append_to_it(self) -> None:
        assert (await self.make_store()).shared

    async def test_what_one_node_appends_the_others_read(self) -> None:
        here = await self.make_store()
        there = await self.join(here)
        top = (await self.last(there)).top
        positions = await self.append(here, range(1, 6))
        assert self.of(await self.last(there)) == self.numbered(range(1, 6))
        assert self.of(await self.read(there, positions[1])) == self.numbered(range(3, 6))
        assert self.of(await self.read(there, top)) == self.numbered(range(1, 6))
        assert (await self.read(there, positions[-1])).top == positions[-1]

    async def test_all_nodes_count_as_one(self) -> None:
        here = await self.make_store()
        nodes = [here, await self.join(here), await self.join(here)]
        found = [position for node in nodes * 3 for position in await self.append(node, range(1, 3))]
        assert [position.offset for position in found] == list(range(1, 19))
        assert len({position.epoch for position in found}) == 1

    async def test_nodes_that_append_at_once_see_one_order(self) -> None:
        here = await self.make_store()
        nodes = [here, await self.join(here), await self.join(here)]
        outcomes = [
            [node.append(PLACE, self.item(100 * number + n), 10, MANY, self.now) for n in range(50)]
            for number, node in enumerate(nodes)
        ]
        offsets = [[(await answer(outcome)).offset for outcome in of_one] for of_one in outcomes]
        assert sorted(offset for of_one in offsets for offset in of_one) == list(range(1, 151))
        seen = [self.of(await self.last(node)) for node in nodes]
        assert seen[0] == seen[1] == seen[2]
        for number, of_one in enumerate(offsets):
            assert of_one == sorted(of_one)
            assert [dict(seen[0])[offset] for offset in of_one] == [
                self.item(100 * number + n) for n in range(50)
            ]

    async def test_the_bounds_of_the_latest_append_hold_for_all_nodes(self) -> None:
        here = await self.make_store()
        there = await self.join(here)
        await self.append(here, range(1, 11))
        (newest,) = await self.append(there, range(11, 12), History(count=3))
        assert self.of(await self.last(here)) == self.numbered(range(9, 12))
        assert not (await self.read(here, Position(newest.epoch, 7))).complete

    async def test_a_store_that_began_anew_counts_from_one_in_an_epoch_that_never_was(self) -> None:
        here = await self.make_store()
        there = await self.join(here)
        before = await self.append(here, range(1, 4))
        await self.begin_anew(here)
        for node in (here, there):
            page = await self.read(node, before[0])
            assert (page.complete, page.items, page.top.offset) == (False, (), 0)
            assert page.top.epoch != before[0].epoch
        (first,) = await self.append(there, range(7, 8))
        assert first.offset == 1
        assert first.epoch != before[0].epoch
        for known in before:
            assert not (await self.read(here, known)).complete
        assert self.of(await self.last(here)) == [(1, self.item(7))]

    async def test_what_was_silent_has_one_position_to_recover_from_on_all_nodes(self) -> None:
        here = await self.make_store()
        there = await self.join(here)
        top = (await self.last(here)).top
        assert (await self.last(there)).top == top
        assert (await self.read(there, top)).complete

    async def test_a_node_that_goes_away_takes_nothing_along(self) -> None:
        here = await self.make_store()
        there = await self.join(here)
        positions = await self.append(there, range(1, 4))
        await there.aclose()
        assert self.of(await self.last(here)) == self.numbered(range(1, 4))
        (following,) = await self.append(here, range(4, 5))
        assert following == Position(positions[0].epoch, 4)
