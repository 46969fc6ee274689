"""Rider tracking: a position comes in, the live picture moves, everybody who follows the rider sees it.

The path of one report, without a wait on a single node: authorise, place in the geo index, publish to the
rider's topic, note for the next overview batch, answer. A report that is older than the last known one is
answered too, since the rider can do nothing about it, but it moves nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol, final

import msgspec
import structlog

from stompede import BusError, LimitError, Principal, Problem, SessionClosedError
from stompede._traceback import traceback_of

from .geo import Fix, GeoIndex, GeoStatistics, Placed
from .messages import (
    Commute,
    CommuteAnswer,
    RiderOnMap,
    RidersMoved,
    RiderUpdate,
    WorkStatus,
    moment,
    utc,
)
from .settings import LocationSettings

log = structlog.get_logger("stompede.location")

OVERVIEW_TOPIC: Final = "/topic/riders"
PART_HEADER: Final = "part"
"""Header that numbers the messages of one overview batch; a slow subscriber keeps the newest of each number.
"""


class Publish(Protocol):
    """Publishes a value; ``None`` when the bus took it at once, else something to wait for until it did."""

    def __call__(
        self, destination: str, value: Any, /, *, headers: Mapping[str, str] = ...
    ) -> Awaitable[None] | None: ...


class Routes(Protocol):
    """Which node serves a key: as much of the routing table as tracking needs."""

    async def put(self, key: str, url: str) -> None: ...
    async def get(self, key: str) -> str | None: ...
    async def remove(self, key: str) -> None: ...


class TrackingStatistics(msgspec.Struct, frozen=True):
    """Counters of the tracking since the start.

    Attributes:
        moved: reports that moved the live picture.
        older: reports that came too late to move it.
        waiting: riders that the next overview batch will carry.
        batches: overview batches published.
        failed: overview batches that the bus did not take.
        dropped: riders that were left out of a batch because too many moved at once.
        index: what the geo index counts.
    """

    moved: int
    older: int
    waiting: int
    batches: int
    failed: int
    dropped: int
    index: GeoStatistics


def rider_key(rider_id: int) -> str:
    """The rider's key in the routing table."""
    return f"rider:{rider_id}"


def rider_topic(rider_id: int) -> str:
    """Where the rider's updates are published."""
    return f"/topic/rider/{rider_id}"


@final
class RiderTracking:
    """The live picture of all riders that report to this node.

    Args:
        settings: see `LocationSettings`.
        index: where positions are kept.
        routes: the routing table, key to node URL.
        publish: publishes to a topic through the bus.
        node_url: the WebSocket URL under which clients reach this node.
        route_ttl_s: life of an entry in the routing table, seconds; reports renew it in time.
        demo: everybody may report for every rider and look at all. Otherwise a rider's own token is needed,
            whose name is ``rider-{id}``.
        clock: seconds of the Unix epoch.
    """

    def __init__(
        self,
        settings: LocationSettings,
        *,
        index: GeoIndex[int],
        routes: Routes,
        publish: Publish,
        node_url: Callable[[], str],
        route_ttl_s: float,
        demo: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings: Final = settings
        self.index: Final = index
        self.routes: Final = routes
        self.node_url: Final = node_url
        self.demo: Final = demo
        self._publish: Final = publish
        self._route_ttl_s: Final = route_ttl_s
        self._clock: Final = clock
        self._changed: dict[int, RiderUpdate] = {}
        self._routed: dict[
            int, float
        ] = {}  # riders that began their shift here, and when their route was put last
        self._swept_at = clock()
        self._moved = self._older = self._batches = self._failed = self._dropped = 0

    async def commute(self, body: Commute, who: Principal | None) -> CommuteAnswer:
        """Take a rider's report.

        Returns:
            The rider's id, once the bus has taken the update; also when the report was too old to count.

        Raises:
            Problem: ``login-required`` or ``forbidden`` when this session may not report for that rider;
                ``unavailable`` when the routing table is full: the rider is seen then, but the next INIT or
                DONE has to put it right.
        """
        rider_id = body.rider_id
        if not self.demo:
            self._check_own(rider_id, who)
        at = moment(body.at, self._clock(), self.settings.max_ahead_s)
        if self._place(body, at) is Placed.OLDER:
            self._older += 1
            if body.work_status is WorkStatus.INIT:  # the point is old, the session is not
                await self._route(rider_id, body.work_status)
            return CommuteAnswer(rider_id)
        self._moved += 1
        update = RiderUpdate(rider_id, body.work_status, body.data, utc(at))
        self._note(update)
        # Nothing waits between placing and publishing: followers see updates in the order in which they
        # counted.
        # And where the bus takes it at once, this coroutine never waits, and so costs no task.
        taken = self._publish(rider_topic(rider_id), update)
        if taken is not None:
            await taken
        await self._route(rider_id, body.work_status)
        return CommuteAnswer(rider_id)

    async def _route(self, rider_id: int, status: WorkStatus) -> None:
        """INIT enters the routing table, the shift's further reports keep the entry alive, DONE takes it out."""
        if status is WorkStatus.DONE:
            self._routed.pop(rider_id, None)
            await self.routes.remove(rider_key(rider_id))
            return
        now = self._clock()
        if status is not WorkStatus.INIT:
            routed_at = self._routed.get(rider_id)
            if routed_at is None or now - routed_at < self._route_ttl_s / 3.0:
                return
        try:
            await self.routes.put(rider_key(rider_id), self.node_url())
        except LimitError as error:
            raise Problem("unavailable", f"the routing table has no room for rider {rider_id} now") from error
        self._routed[rider_id] = now

    def _forget_routes(self) -> None:
        """Forget whose shift ended without a word: the table has let go of them, too."""
        now = self._clock()
        if abs(now - self._swept_at) >= self._route_ttl_s:
            self._swept_at = now
            before = now - self._route_ttl_s
            self._routed = {rider_id: at for rider_id, at in self._routed.items() if at >= before}

    def _check_own(self, rider_id: int, who: Principal | None) -> None:
        if who is None:
            raise Problem("login-required", f"only rider {rider_id} itself may report for it")
        if who.name != f"rider-{rider_id}":
            raise Problem("forbidden", f"{who.name} may not report for rider {rider_id}")

    def _place(self, body: Commute, at: float) -> Placed:
        if body.work_status is WorkStatus.DONE:
            return self.index.remove_nowait(body.rider_id, at)
        return self.index.put_nowait(body.rider_id, Fix(body.data.y, body.data.x, at, body.work_status.value))

    def _note(self, update: RiderUpdate) -> None:
        if update.rider_id not in self._changed and len(self._changed) >= self.settings.max_riders:
            self._dropped += 1
            return
        self._changed[update.rider_id] = update

    async def publish_changes(self) -> int:
        """Publish the riders that moved since the last call, in as few messages as `overview_batch` allows.

        Returns:
            How many riders were published.
        """
        self._forget_routes()
        changed, self._changed = self._changed, {}
        if not changed:
            return 0
        riders = [
            RiderOnMap(update.rider_id, update.work_status, update.data.x, update.data.y, update.at)
            for update in changed.values()
        ]
        size = self.settings.overview_batch
        for part, start in enumerate(range(0, len(riders), size)):
            batch = RidersMoved(riders[start : start + size])
            taken = self._publish(OVERVIEW_TOPIC, batch, headers={PART_HEADER: str(part)})
            if taken is not None:
                await taken
        self._batches += 1
        return len(riders)

    async def run_overview(self) -> None:
        """Publish the overview again and again until cancelled.

        A batch that fails is counted and lost: the next one is a second away and carries newer positions.
        """
        while True:
            await asyncio.sleep(self.settings.overview_interval_s)
            try:
                await self.publish_changes()
            except (BusError, SessionClosedError) as error:  # the bus is away, or the node stops
                self._failed += 1
                log.warning("an overview batch was not published", reason=str(error))
            except Exception as error:  # a bug must not end the overview of a running node, nor stay unseen
                self._failed += 1
                log.error("an overview batch was not published", exception=traceback_of(error))

    def statistics(self) -> TrackingStatistics:
        """Counters since the start."""
        return TrackingStatistics(
            moved=self._moved,
            older=self._older,
            waiting=len(self._changed),
            batches=self._batches,
            failed=self._failed,
            dropped=self._dropped,
            index=self.index.statistics(),
        )
