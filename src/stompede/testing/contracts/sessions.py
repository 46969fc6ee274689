"""The contract of every session registry, as suites; the promises themselves are written down in
`stompede.registry.SessionRegistry`.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import pytest

from stompede.registry import NodeInfo, SessionEntry, SessionRecord, SessionRegistry

A = NodeInfo("1700000000000/8c5e1d0e-0000-4000-8000-00000000000a", "wss://a.example/stomp")
B = NodeInfo("1700000000001/8c5e1d0e-0000-4000-8000-00000000000b", "wss://b.example/stomp")
AT = 1_795_297_200.123
COOK, GUEST = SessionEntry("s1", AT, "cook"), SessionEntry("s2", AT)


def some(number: int, *, user: str | None = None) -> list[SessionEntry]:
    """As many sessions."""
    return [SessionEntry(f"many{each}", AT + each / 1000, user) for each in range(number)]


class SessionRegistryContract(ABC):
    """The promises of every `SessionRegistry`, of one node. Derive a class, name it ``Test...``, and say how a registry
    is made.

    Attributes:
        now: seconds of the Unix epoch, as the suite passes them in; `pass_time` moves them.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]
    now: float = 1_800_000_000.0

    @abstractmethod
    async def make_registry(self) -> SessionRegistry:
        """A new, empty registry. What it holds open is closed by a fixture of the derived class."""

    async def pass_time(self, seconds: float) -> None:
        """Let time go on. A registry that goes by a server's clock overrides this to wait really."""
        self.now += seconds

    async def refresh(
        self, registry: SessionRegistry, node: NodeInfo = A, *, batch: int = 1, ttl_s: float = 60
    ) -> bool:
        """Begins a node's life, or lets it go on."""
        return await registry.refresh(node, ttl_s=ttl_s, batch=batch, now=self.now)

    async def replace(
        self,
        registry: SessionRegistry,
        sessions: Sequence[SessionEntry],
        *,
        node: NodeInfo = A,
        batch: int = 1,
    ) -> bool:
        """Says everything."""
        return await registry.replace(node.id, sessions, batch=batch, now=self.now)

    async def update(
        self,
        registry: SessionRegistry,
        entered: Sequence[SessionEntry] = (),
        left: Sequence[SessionEntry] = (),
        *,
        node: NodeInfo = A,
        batch: int = 2,
    ) -> bool:
        """Says what changed."""
        return await registry.update(node.id, entered, left, batch=batch, now=self.now)

    async def begin(
        self, registry: SessionRegistry, *sessions: SessionEntry, node: NodeInfo = A, ttl_s: float = 60
    ) -> None:
        """Begins a node with sessions, in batch 1."""
        assert await self.refresh(registry, node, batch=0, ttl_s=ttl_s) is False
        assert await self.replace(registry, sessions, node=node)

    async def ids(self, registry: SessionRegistry, node: NodeInfo = A) -> set[str]:
        """Ids of a node's sessions, read in parts."""
        found, after = set[str](), None
        while True:
            page = await registry.sessions(node.id, after=after, limit=10, now=self.now)
            assert {record.node_id for record in page.records} <= {node.id}
            found |= {record.session_id for record in page.records}
            if (after := page.after) is None:
                return found

    async def alive(self, registry: SessionRegistry) -> set[str]:
        """Ids of the nodes that are alive."""
        return {node.id for node in await registry.nodes(now=self.now)}

    async def test_an_empty_registry_knows_nobody(self) -> None:
        registry = await self.make_registry()
        assert await registry.nodes(now=self.now) == []
        assert await self.ids(registry) == set()
        assert await registry.sessions_of("cook", now=self.now) == []
        assert await registry.find("s1", now=self.now) is None
        assert await registry.count(now=self.now) == 0

    async def test_a_node_begins_with_a_refresh_and_says_everything(self) -> None:
        registry = await self.make_registry()
        assert await self.update(registry, [COOK], batch=1) is False
        assert await self.replace(registry, [COOK]) is False
        assert await self.refresh(registry, batch=0) is False
        assert await self.update(registry, [COOK], batch=1) is False
        assert await self.refresh(registry, batch=0) is False
        assert await self.replace(registry, [COOK]) is True
        assert await self.refresh(registry, batch=1) is True
        assert await self.ids(registry) == {"s1"}

    async def test_what_a_node_tells_of_itself_is_read_as_it_told_it_last(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry)
        assert await registry.nodes(now=self.now) == [A]
        told = NodeInfo(
            A.id, A.url, "1.2.3", "서울", 17, 0.25, draining=True, ready=False, place=(37.5, 126.9)
        )
        assert await self.refresh(registry, told) is True
        assert await registry.nodes(now=self.now) == [told]

    async def test_who_enters_is_there_and_who_left_is_gone(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK)
        assert await self.update(registry, [GUEST]) is True
        assert await self.ids(registry) == {"s1", "s2"}
        assert await self.update(registry, some(1), [COOK], batch=3) is True
        assert await self.ids(registry) == {"s2", "many0"}
        assert await registry.count(now=self.now) == 2
        assert await self.refresh(registry, batch=3) is True

    async def test_a_session_is_read_as_it_was_told(self) -> None:
        registry = await self.make_registry()
        rider = SessionEntry("s3", AT, "17")
        await self.begin(registry, COOK, GUEST, rider)
        read = {entry.id: await registry.find(entry.id, now=self.now) for entry in (COOK, GUEST, rider)}
        assert read == {
            "s1": SessionRecord(A.id, "s1", AT, "s1"),
            "s2": SessionRecord(A.id, "s2", AT, "s2"),
            "s3": SessionRecord(A.id, "s3", AT, "s3", 17),
        }
        page = await registry.sessions(A.id, now=self.now)
        assert {record.session_id: record for record in page.records} == read

    async def test_the_sessions_of_a_member_are_its_own(self) -> None:
        registry = await self.make_registry()
        names = ("cook", "coo", "cook ", "요리사", "", "cook\n", "cook_s1")
        entries = [SessionEntry(f"name{number}", AT, name) for number, name in enumerate(names)]
        await self.begin(registry, *entries, GUEST)
        for entry in entries:
            assert entry.user is not None
            found = await registry.sessions_of(entry.user, now=self.now)
            assert [record.session_id for record in found] == [entry.id]

    async def test_a_member_has_as_many_sessions_as_it_likes_and_they_are_as_many_as_asked_for(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, *some(30, user="cook"))
        for limit in (1, 29, 30, 31):
            found = await registry.sessions_of("cook", limit=limit, now=self.now)
            assert len({record.session_id for record in found}) == len(found) == min(limit, 30)
        await self.update(registry, [], some(30, user="cook")[1:])
        found = await registry.sessions_of("cook", now=self.now)
        assert [record.session_id for record in found] == ["many0"]

    async def test_a_session_whose_member_is_another_now_is_the_other_ones(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK)
        waiter = SessionEntry(COOK.id, AT, "waiter")
        assert await self.update(registry, [waiter], [COOK])
        assert await registry.sessions_of("cook", now=self.now) == []
        assert len(await registry.sessions_of("waiter", now=self.now)) == 1
        assert await registry.count(now=self.now) == 1

    async def test_many_sessions_are_read_in_parts(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, *some(1200))
        assert await self.ids(registry) == {entry.id for entry in some(1200)}
        first = await registry.sessions(A.id, limit=100, now=self.now)
        assert 100 <= len(first.records) < 200
        assert await self.update(registry, some(1100)[:50], some(1200)[50:]) is True
        assert await self.ids(registry) == {entry.id for entry in some(50)}

    async def test_to_say_it_again_under_its_number_changes_nothing(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK)
        for _ in range(2):
            assert await self.update(registry, [GUEST], [COOK], batch=2) is True
        assert await self.update(registry, [*some(1), GUEST], [COOK], batch=2) is True
        assert await self.ids(registry) == {"s2", "many0"}
        assert await self.refresh(registry, batch=2) is True

    async def test_a_batch_that_is_missing_is_seen(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK)
        assert await self.update(registry, [GUEST], batch=3) is False
        assert await self.ids(registry) == {"s1"}
        assert await self.refresh(registry, batch=2) is False
        assert await self.replace(registry, [GUEST], batch=3) is True
        assert await self.ids(registry) == {"s2"}
        assert await self.update(registry, [COOK], batch=4) is True

    async def test_to_replace_leaves_nothing_of_what_was(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK, *some(600))
        assert await self.replace(registry, [GUEST], batch=2) is True
        assert await self.ids(registry) == {"s2"}
        assert await registry.sessions_of("cook", now=self.now) == []
        assert await self.replace(registry, [], batch=3) is True
        assert await self.ids(registry) == set()
        assert await self.refresh(registry, batch=3) is True

    async def test_a_life_goes_on_while_it_is_refreshed(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK, ttl_s=2)
        for _ in range(3):
            await self.pass_time(1)
            assert await self.refresh(registry, ttl_s=2) is True
        assert await self.ids(registry) == {"s1"}

    async def test_a_life_ends_by_itself_and_an_update_does_not_prolong_it(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK, ttl_s=2)
        await self.pass_time(1)
        assert await self.update(registry, [GUEST])
        await self.pass_time(1)
        assert await self.alive(registry) == set()
        assert await self.ids(registry) == set()
        assert await registry.sessions_of("cook", now=self.now) == []
        assert await registry.find("s1", now=self.now) is None
        assert await registry.count(now=self.now) == 0
        assert await self.update(registry, some(1), batch=3) is False
        assert await self.replace(registry, some(1), batch=3) is False

    async def test_a_node_that_was_dead_begins_anew(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK, ttl_s=1)
        await self.pass_time(1)
        assert await self.refresh(registry, batch=1) is False
        assert await self.replace(registry, [GUEST], batch=2) is True
        assert await self.ids(registry) == {"s2"}
        assert await self.refresh(registry, batch=2) is True

    async def test_a_node_that_ends_is_gone_at_once(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK)
        await registry.end(A.id, now=self.now)
        await registry.end(A.id, now=self.now)
        assert await self.alive(registry) == set()
        assert await registry.find("s1", now=self.now) is None
        assert await self.update(registry, [GUEST]) is False

    async def test_a_cancelled_update_can_be_said_again(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry)
        for turns in range(5):
            call = asyncio.create_task(self.update(registry, [COOK], batch=2 + turns))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await call
            assert await self.update(registry, [COOK, GUEST], batch=2 + turns) is True
            assert await self.ids(registry) == {"s1", "s2"}

    async def test_statistics_count_what_was_written(self) -> None:
        registry = await self.make_registry()
        await self.begin(registry, COOK)
        await self.update(registry, [GUEST], [COOK])
        counted = registry.statistics()
        assert (counted.written, counted.replaced, counted.buried) == (2, 1, 0)


class SharedSessionRegistryContract(SessionRegistryContract):
    """The promises of a `SessionRegistry` for many nodes: those of `SessionRegistryContract`, and what nodes promise
    each other.
    """

    @abstractmethod
    async def join(self, registry: SessionRegistry) -> SessionRegistry:
        """Another node's way to what is in a registry that `make_registry` made."""

    async def two(self, *, ttl_s: float = 60) -> tuple[SessionRegistry, SessionRegistry]:
        """Two nodes that are alive: with the cook and a guest, and with the cook."""
        here = await self.make_registry()
        there = await self.join(here)
        await self.begin(here, COOK, GUEST, ttl_s=ttl_s)
        await self.begin(there, SessionEntry("t1", AT, "cook"), node=B)
        return here, there

    async def test_what_one_node_says_the_others_read(self) -> None:
        here, there = await self.two()
        for registry in (here, there):
            assert await self.alive(registry) == {A.id, B.id}
            assert await self.ids(registry, A) == {"s1", "s2"}
            assert await self.ids(registry, B) == {"t1"}
            assert await registry.count(now=self.now) == 3
            assert {one.session_id for one in await registry.sessions_of("cook", now=self.now)} == {
                "s1",
                "t1",
            }
            found = [await registry.find(name, now=self.now) for name in ("s1", "t1")]
            assert [one and one.node_id for one in found] == [A.id, B.id]

    async def test_nodes_know_nothing_of_each_others_batches(self) -> None:
        here, there = await self.two()
        assert await self.update(here, some(1), batch=2) is True
        assert await self.update(there, [SessionEntry("t2", AT)], [], node=B, batch=2) is True
        assert await self.replace(here, [], batch=3) is True
        assert await self.ids(here, B) == {"t1", "t2"}
        assert await self.refresh(there, B, batch=2) is True

    async def test_the_sessions_of_a_crashed_node_vanish(self) -> None:
        _, there = await self.two(ttl_s=1)
        await self.pass_time(1)
        assert await self.alive(there) == {B.id}
        assert await self.ids(there, A) == set()
        assert [one.session_id for one in await there.sessions_of("cook", now=self.now)] == ["t1"]
        assert await there.count(now=self.now) == 1
        assert await self.refresh(there, B) is True
        assert there.statistics().buried == 1
        assert await self.refresh(there, B) is True
        assert (await self.alive(there), there.statistics().buried) == ({B.id}, 1)

    async def test_a_node_that_was_taken_for_dead_comes_back(self) -> None:
        here, there = await self.two(ttl_s=1)
        await self.pass_time(1)
        assert await self.refresh(there, B) is True
        assert await self.refresh(here, batch=1) is False
        assert await self.replace(here, [COOK], batch=2) is True
        assert await self.alive(there) == {A.id, B.id}
        assert await self.ids(there, A) == {"s1"}
