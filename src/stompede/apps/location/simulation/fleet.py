"""Many riders that report over real connections, and what becomes of their reports.

Every rider waits for the answer to a position before it sends the next one; positions that became due
meanwhile are left out but the newest. So a slow server is not flooded, and the figures say how slow it was.
The task group of `Fleet.run` owns one task per connection, whose own group owns one per rider.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Final, Protocol, final

import msgspec

from stompede import LimitError, RemoteProtocolError, RequestError, SessionClosedError, StompedeError
from stompede.apps.location.messages import Commute, CommuteAnswer, Point, WorkStatus, utc

from .figures import FleetStatistics, LatencyHistogram
from .rider import Step

_LATE_S: Final = 1.0
_CONNECTING_AT_ONCE: Final = 32


class Reporter(Protocol):
    """As much of a client as a fleet needs; `stompede.connect` makes one."""

    @property
    def connected(self) -> bool: ...

    @property
    def session_id(self) -> str | None: ...

    async def wait_connected(self) -> None: ...

    async def request(
        self, destination: str, body: Any, reply_type: Any, *, timeout_s: float | None
    ) -> Any: ...

    def statistics(self) -> Any: ...


Connect = Callable[[], AbstractAsyncContextManager[Reporter]]


class FleetOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a fleet reports.

    Attributes:
        connections: connections that the riders share; ``None`` gives each its own.
        destination: where positions are sent.
        answer_timeout_s: longest wait for an answer, seconds.
        retry_s: pause before another connection is tried, seconds.
        give_up_s: how long the first connection is tried for, seconds. A node that starts at the same time
            needs some.
    """

    connections: int | None = None
    destination: str = "/app/commute"
    answer_timeout_s: float = 10.0
    give_up_s: float = 30.0
    retry_s: float = 1.0


@final
class Fleet:
    """Riders with their reports to send.

    Args:
        connect: makes a client, one call per connection; entering it connects.
        sources: the reports of each rider, by rider id; an end of them ends the rider's shift.
        options: see `FleetOptions`.
    """

    def __init__(
        self, connect: Connect, sources: Mapping[int, Iterator[Step]], options: FleetOptions | None = None
    ) -> None:
        self._connect: Final = connect
        self._sources: Final = sources
        self._options: Final = options or FleetOptions()
        self._latency: Final = LatencyHistogram()
        self._errors: Final[Counter[str]] = Counter()
        self._last_error: str | None = None
        self._clients: Final[set[Reporter]] = set()
        self._sleepers: Final[set[asyncio.Future[None]]] = set()
        self._connecting: Final = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        self._stopping = False
        self._origin: float | None = None
        self._riding = self._sent = self._answered = self._skipped = self._reconnects = 0
        self._ever_connected = False

    async def run(self) -> None:
        """Report until all sources have ended, or `stop`; then every rider that began a shift says DONE."""
        self._origin = asyncio.get_running_loop().time()
        riders = list(self._sources)
        count = min(self._options.connections or len(riders), len(riders))
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._serve(riders[number::count]), name=f"connection {number}")

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping

    def stop(self) -> None:
        """End all shifts as soon as possible. Idempotent."""
        self._stopping = True
        for sleeper in self._sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    def statistics(self) -> FleetStatistics:
        """Figures since the start."""
        seconds = asyncio.get_running_loop().time() - self._origin if self._origin is not None else 0.0
        return FleetStatistics(
            riders=len(self._sources),
            riding=self._riding,
            connections=sum(client.connected for client in self._clients),
            reconnects=self._reconnects + sum(_reconnects(client) for client in self._clients),
            sent=self._sent,
            answered=self._answered,
            skipped=self._skipped,
            errors=dict(self._errors),
            last_error=self._last_error,
            latency_p50_ms=_ms(self._latency.quantile_s(0.5)),
            latency_p99_ms=_ms(self._latency.quantile_s(0.99)),
            seconds=round(seconds, 3),
        )

    async def _serve(self, riders: list[int]) -> None:
        """One connection after the other for these riders, until they have ended."""
        shifts = [_Shift(rider_id, self._sources[rider_id]) for rider_id in riders]
        while not self._stopping and not all(shift.ended for shift in shifts):
            try:
                await self._connected_ride(shifts)
            except (StompedeError, OSError, TimeoutError) as error:
                self._fail("connection-failed", error)
                if not self._ever_connected and self._passed_s() > self._options.give_up_s:
                    return
                await self._sleep(self._options.retry_s)

    async def _connected_ride(self, shifts: list[_Shift]) -> None:
        async with AsyncExitStack() as stack:
            async with self._connecting:
                client = await stack.enter_async_context(self._connect())
            self._ever_connected = True
            try:
                await self._ride_all(client, shifts)
            except* StompedeError as group:
                # All riders of the connection fail for one and the same reason.
                raise _first(group) from group

    async def _ride_all(self, client: Reporter, shifts: list[_Shift]) -> None:
        self._clients.add(client)
        try:
            async with asyncio.TaskGroup() as group:
                for shift in shifts:
                    if not shift.ended:
                        group.create_task(self._ride(client, shift), name=f"rider {shift.rider_id}")
        finally:
            self._clients.discard(client)
            self._reconnects += _reconnects(client)

    async def _ride(self, client: Reporter, shift: _Shift) -> None:
        for step in shift.steps:
            wait_s = step.due_s - self._passed_s()
            if wait_s > 0:
                await self._sleep(wait_s)
            elif wait_s < -_LATE_S and shift.begun:
                self._skipped += 1
                continue
            if self._stopping:
                break
            shift.last = step
            # Behind another session may be another node, which has to hear that the rider is there now.
            known = shift.begun and shift.session_id == client.session_id
            await self._report(client, shift, step.status if known else WorkStatus.INIT)
        shift.ended = True
        if shift.begun and shift.last is not None:
            self._riding -= 1
            if client.connected:
                await self._report(client, shift, WorkStatus.DONE)

    async def _report(self, client: Reporter, shift: _Shift, status: WorkStatus) -> None:
        step = shift.last
        assert step is not None
        body = Commute(shift.rider_id, status, Point(step.lon, step.lat), utc(time.time()))
        options = self._options
        begin = self._passed_s()
        self._sent += 1
        try:
            await client.request(options.destination, body, CommuteAnswer, timeout_s=options.answer_timeout_s)
        except RequestError as error:
            self._fail(error.code, error)
        except TimeoutError as error:
            self._fail("timeout", error)
        except LimitError as error:
            self._fail("queue-full", error)
        except RemoteProtocolError as error:
            self._fail("invalid-answer", error)
        except SessionClosedError as error:
            self._fail("connection-lost", error)
            await self._wait_connected(client)
        else:
            self._latency.record(self._passed_s() - begin)
            self._answered += 1
            if status is WorkStatus.INIT:
                shift.session_id = client.session_id
            if not shift.begun:
                shift.begun = True
                self._riding += 1

    async def _wait_connected(self, client: Reporter) -> None:
        """Wait until the connection is back, at most until `stop`; raises when the client is closed for good."""
        if self._stopping:
            return
        back = asyncio.ensure_future(client.wait_connected())
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.add(stopped)
        try:
            await asyncio.wait([back, stopped], return_when=asyncio.FIRST_COMPLETED)
            if back.done():
                back.result()
        finally:
            back.cancel()
            self._sleepers.discard(stopped)

    def _fail(self, code: str, error: BaseException) -> None:
        self._errors[code] += 1
        self._last_error = str(error) or code

    def _passed_s(self) -> float:
        assert self._origin is not None
        return asyncio.get_running_loop().time() - self._origin

    async def _sleep(self, seconds: float) -> None:
        """Sleep, at most until `stop`; much cheaper than waiting for an event with a time limit."""
        if self._stopping:
            return
        loop = asyncio.get_running_loop()
        sleeper: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, sleeper)
        self._sleepers.add(sleeper)
        try:
            await sleeper
        finally:
            timer.cancel()
            self._sleepers.discard(sleeper)


@final
class _Shift:
    """How far a rider is with its reports; it outlives a connection."""

    __slots__ = ("begun", "ended", "last", "rider_id", "session_id", "steps")

    def __init__(self, rider_id: int, steps: Iterator[Step]) -> None:
        self.rider_id = rider_id
        self.steps = steps
        self.last: Step | None = None
        self.session_id: str | None = None
        self.begun = False
        self.ended = False


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def _reconnects(client: Reporter) -> int:
    return max(0, int(client.statistics().connects) - 1)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 3)


def _first(group: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
