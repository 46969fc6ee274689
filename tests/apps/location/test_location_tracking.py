import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from stompede import BusError, LimitError, Principal, Problem
from stompede.apps.location import (
    Commute,
    CommuteAnswer,
    LocationSettings,
    MemoryGeoIndex,
    Point,
    RidersMoved,
    RiderTracking,
    RiderUpdate,
    WorkStatus,
)
from stompede.apps.location.messages import utc

NOW = 1_400_000_000.0


class Routes:
    def __init__(self) -> None:
        self.urls: dict[str, str] = {}
        self.puts = 0
        self.full = False

    async def put(self, key: str, url: str) -> None:
        if self.full:
            raise LimitError("routing table entries", 0)
        self.puts += 1
        self.urls[key] = url

    async def get(self, key: str) -> str | None:
        return self.urls.get(key)

    async def remove(self, key: str) -> None:
        self.urls.pop(key, None)


class World:
    """Tracking with everything around it, and what it published."""

    def __init__(self, *, demo: bool = True, route_ttl_s: float = 600, **settings: Any) -> None:
        self.now = NOW
        self.published: list[tuple[str, Any, Mapping[str, str]]] = []
        self.bus_fails = False
        self.on_publish: Callable[[], None] = lambda: None
        self.index: MemoryGeoIndex[int] = MemoryGeoIndex(expire_s=60, clock=lambda: self.now)
        self.routes = Routes()
        self.tracking = RiderTracking(
            LocationSettings(**settings),
            index=self.index,
            routes=self.routes,
            publish=self.publish,
            node_url=lambda: "ws://node-1/stomp",
            route_ttl_s=route_ttl_s,
            demo=demo,
            clock=lambda: self.now,
        )

    def publish(self, destination: str, value: Any, /, *, headers: Mapping[str, str] | None = None) -> None:
        self.on_publish()
        if self.bus_fails:
            raise BusError("away")
        self.published.append((destination, value, headers or {}))

    async def report(
        self,
        rider_id: int,
        status: WorkStatus = WorkStatus.WORKING,
        *,
        at: datetime | float | None = None,
        lat: float = 60.17,
        who: Principal | None = None,
    ) -> CommuteAnswer:
        return await self.tracking.commute(Commute(rider_id, status, Point(24.94, lat), at), who)


async def test_a_report_moves_the_picture_is_published_and_answered() -> None:
    world = World()
    assert await world.report(7) == CommuteAnswer(7)
    assert world.published == [
        ("/topic/rider/7", RiderUpdate(7, WorkStatus.WORKING, Point(24.94, 60.17), utc(NOW)), {})
    ]
    fix = await world.index.get(7)
    assert fix is not None
    assert (fix.lat, fix.lon, fix.at, fix.state) == (60.17, 24.94, NOW, "WORKING")


async def test_the_answer_is_the_riders_id() -> None:
    assert msgspec.json.encode(await World().report(7)) == b'{"riderId":7}'


async def test_an_older_report_is_answered_and_moves_nothing() -> None:
    world = World()
    await world.report(7, at=NOW - 5)
    assert await world.report(7, at=NOW - 6, lat=61.0) == CommuteAnswer(7)
    assert len(world.published) == 1
    assert await world.tracking.publish_changes() == 1
    counted = world.tracking.statistics()
    assert (counted.moved, counted.older) == (1, 1)


async def test_a_clock_far_ahead_does_not_silence_the_rider() -> None:
    world = World()
    await world.report(7, at=NOW + 86_400)
    world.now += 1
    await world.report(7)
    assert [update.at for _, update, _ in world.published] == [utc(NOW), utc(NOW + 1)]


async def test_the_shift_enters_the_routing_table_and_leaves_it() -> None:
    world = World()
    await world.report(7, WorkStatus.INIT)
    assert world.routes.urls == {"rider:7": "ws://node-1/stomp"}
    await world.report(7, WorkStatus.WORKING)
    await world.report(7, WorkStatus.DONE)
    assert world.routes.urls == {}
    assert await world.index.get(7) is None
    assert [update.work_status.value for _, update, _ in world.published] == ["INIT", "WORKING", "DONE"]


async def test_a_shift_that_begins_with_an_older_point_enters_the_routing_table() -> None:
    world = World()
    await world.report(7, at=NOW)
    await world.report(7, WorkStatus.INIT, at=NOW - 5, lat=61.0)
    assert world.routes.urls == {"rider:7": "ws://node-1/stomp"}
    fix = await world.index.get(7)
    assert fix is not None
    assert fix.lat == 60.17
    assert len(world.published) == 1


@pytest.mark.parametrize("hours", [14, -14])
async def test_a_rider_whose_clock_shows_the_year_1_hides_nobody_and_comes_back(hours: int) -> None:
    world = World()
    await world.report(6)
    await world.report(7, at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=hours))))
    assert [destination for destination, _, _ in world.published] == ["/topic/rider/6", "/topic/rider/7"]
    found = await world.index.near(60.17, 24.94, 100, 10)
    assert 6 in {near.key for near in found}
    world.published.clear()
    assert await world.tracking.publish_changes() == 2
    assert msgspec.json.encode(world.published[0][1])
    await world.report(7, lat=60.18)
    fix = await world.index.get(7)
    assert fix is not None
    assert (fix.lat, fix.at) == (60.18, NOW)


async def test_reports_of_a_shift_keep_its_route_alive_and_silence_lets_it_go() -> None:
    world = World(route_ttl_s=300)
    await world.report(6)
    await world.report(7, WorkStatus.INIT)
    for _ in range(250):
        world.now += 1
        await world.report(6)
        await world.report(7)
    assert world.routes.puts == 1 + 2
    assert set(world.routes.urls) == {"rider:7"}
    world.now += 301
    await world.tracking.publish_changes()
    await world.report(7)
    assert world.routes.puts == 3


async def test_a_full_routing_table_is_told_and_the_rider_is_seen_nevertheless() -> None:
    world = World()
    world.routes.full = True
    with pytest.raises(Problem, match="unavailable"):
        await world.report(7, WorkStatus.INIT)
    assert await world.index.get(7) is not None
    assert [destination for destination, _, _ in world.published] == ["/topic/rider/7"]


async def test_a_late_report_after_the_shift_does_not_bring_the_rider_back() -> None:
    world = World()
    await world.report(7, at=NOW - 3)
    await world.report(7, WorkStatus.DONE, at=NOW - 1)
    await world.report(7, at=NOW - 2)
    assert await world.index.get(7) is None
    assert len(world.published) == 2


async def test_a_report_never_waits_when_the_bus_takes_it_at_once() -> None:
    world = World()
    coroutine = world.report(7, WorkStatus.INIT)
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == CommuteAnswer(7)


@pytest.mark.parametrize(
    ("who", "code"),
    [(None, "login-required"), (Principal("rider-8"), "forbidden"), (Principal("7"), "forbidden")],
)
async def test_with_accounts_nobody_else_may_report_for_a_rider(who: Principal | None, code: str) -> None:
    world = World(demo=False)
    with pytest.raises(Problem) as refused:
        await world.report(7, who=who)
    assert refused.value.code == code
    assert world.published == []
    assert await world.index.get(7) is None


async def test_with_accounts_a_rider_reports_for_itself() -> None:
    assert await World(demo=False).report(7, who=Principal("rider-7")) == CommuteAnswer(7)


async def test_the_overview_has_each_moved_rider_once_with_its_newest_place() -> None:
    world = World()
    for lat in (60.1, 60.2):
        for rider_id in (1, 2):
            world.now += 1
            await world.report(rider_id, lat=lat)
    world.published.clear()
    assert await world.tracking.publish_changes() == 2
    ((destination, batch, headers),) = world.published
    assert (destination, headers) == ("/topic/riders", {"part": "0"})
    assert msgspec.json.encode(batch) == (
        b'{"riders":[{"riderId":1,"workStatus":"WORKING","x":24.94,"y":60.2,"at":"2014-05-13T16:53:23Z"},'
        b'{"riderId":2,"workStatus":"WORKING","x":24.94,"y":60.2,"at":"2014-05-13T16:53:24Z"}]}'
    )
    assert await world.tracking.publish_changes() == 0
    assert len(world.published) == 1


async def test_many_riders_make_several_numbered_messages() -> None:
    world = World(overview_batch=2)
    for rider_id in range(5):
        await world.report(rider_id)
    world.published.clear()
    assert await world.tracking.publish_changes() == 5
    assert [headers["part"] for _, _, headers in world.published] == ["0", "1", "2"]
    batches: list[RidersMoved] = [batch for _, batch, _ in world.published]
    assert [rider.rider_id for batch in batches for rider in batch.riders] == [0, 1, 2, 3, 4]


async def test_the_overview_goes_on_when_the_bus_was_away() -> None:
    world = World(overview_interval_s=0.001)
    tried, came = asyncio.Event(), asyncio.Event()
    world.on_publish = tried.set
    await world.report(7)
    world.bus_fails = True
    tried.clear()
    async with asyncio.TaskGroup() as tasks:
        overview = tasks.create_task(world.tracking.run_overview())
        await tried.wait()
        world.bus_fails = False
        await world.report(8)
        world.on_publish = came.set
        await came.wait()
        overview.cancel()
    assert world.published[-1][0] == "/topic/riders"
    assert world.tracking.statistics().failed == 1


async def test_riders_beyond_the_bound_wait_for_the_next_batch_and_are_counted() -> None:
    world = World(max_riders=2)
    for rider_id in (1, 2, 3, 1):
        await world.report(rider_id)
    counted = world.tracking.statistics()
    assert (counted.waiting, counted.dropped) == (2, 1)
