"""Running handlers without a task each.

Most `async def` handlers never really wait: they compute and return. A task for each would cost more than the
handler. So the first step of a handler is taken at once, in the callback that read its message; only when it
waits for something does a task take it over.

The first step needs a current task, or ``asyncio.timeout`` and friends would refuse to work. So a *carrier*,
a task that is parked, is made the current one for that step (``asyncio`` offers `_enter_task` and
`_leave_task` to implementers of tasks: "Extending asyncio", "Task lifetime support"). If the handler waits,
that very carrier goes on with it; so what the first step asked of its task (a timeout, a cancellation) finds
the right one.

Called from within a task, `start` waits for the next turn of the loop.
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final

import msgspec

Finish = Callable[[Any, BaseException | None], None]
_SPARE_CARRIERS: Final = 64


class RunningStatistics(msgspec.Struct, frozen=True):
    """What `HandlerRunner.statistics` tells.

    Attributes:
        started: handlers started.
        waited: of those, the ones that had to wait for something.
        running: handlers that wait now.
        queued: handlers that wait for a place, because ``max_handlers`` run.
        timed_out: handlers cancelled after ``handler_timeout_s``.
    """

    started: int
    waited: int
    running: int
    queued: int
    timed_out: int


class _Resume:
    """Awaits the rest of a coroutine whose first step has been taken, in the context of that step."""

    __slots__ = ("_cancelled", "_context", "_coro", "_waits_for")

    def __init__(
        self, coro: Coroutine[Any, Any, Any], context: Context, waits_for: Any, cancelled: bool
    ) -> None:
        self._coro = coro
        self._context = context
        self._waits_for = waits_for
        self._cancelled = cancelled

    def __await__(self) -> Generator[Any, Any, Any]:
        coro = self._coro
        run = self._context.run
        waits_for = self._waits_for
        error: BaseException | None = None
        if self._cancelled and (waits_for is None or not waits_for.cancel()):
            error = asyncio.CancelledError()  # what it waits for cannot be cancelled; else that tells it
        try:
            while True:
                if error is None:
                    try:
                        sent = yield waits_for
                    except GeneratorExit:
                        run(coro.close)
                        raise
                    except BaseException as thrown:
                        error = thrown
                        continue
                    waits_for = run(coro.send, sent)
                else:
                    pending, error = error, None
                    waits_for = run(coro.throw, pending)
        except StopIteration as stop:
            return stop.value


class _Carrier:
    """A parked task that takes over a handler which waits."""

    __slots__ = ("_runner", "_wake", "_work", "deadline", "dismissed", "task", "timed_out")

    def __init__(self, runner: HandlerRunner, group: asyncio.TaskGroup) -> None:
        self._runner = runner
        self._wake: asyncio.Future[None] | None = None
        self._work: tuple[Coroutine[Any, Any, Any], Context, Any, Finish] | None = None
        self.deadline = 0.0
        self.timed_out = False
        self.dismissed = False
        self.task: asyncio.Task[None] = group.create_task(self._run())

    def take(self, coro: Coroutine[Any, Any, Any], context: Context, waits_for: Any, finish: Finish) -> None:
        self._work = (coro, context, waits_for, finish)
        assert self._wake is not None
        if not self._wake.done():  # it is where the handler's first step has cancelled its task
            self._wake.set_result(None)

    def dismiss(self) -> None:
        self.dismissed = True
        self.task.cancel()

    async def _run(self) -> None:
        while True:
            self._wake = asyncio.get_running_loop().create_future()
            self._runner.parked(self)
            cancelled = False
            try:
                await self._wake
            except asyncio.CancelledError:
                if self.dismissed:
                    raise
                cancelled = True  # the handler's own first step asked for it
            if self._work is None:  # by a handler that did not wait: the next one has nothing to do with it
                self._runner.spoiled(self)
            else:
                coro, context, waits_for, finish = self._work
                result, failure = None, None
                try:
                    result = await _Resume(coro, context, waits_for, cancelled)
                except BaseException as error:  # it is the session's to answer, whatever it was
                    failure = error
                self._work = None
                self._runner.finished(self, finish, result, failure)
                # A carrier that waits for work keeps nothing of the last session alive.
                del coro, context, waits_for, finish, result, failure
            while self.task.uncancel():  # the next handler begins without the last one's cancellation
                pass
            if self.dismissed:
                return


class HandlerRunner:
    """Runs handlers of one node, bounded in number.

    Args:
        loop: the node's loop.
        group: owns the tasks.
        max_running: handlers that may wait at once; further ones queue.
        timeout_s: longest life of a handler.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, group: asyncio.TaskGroup, max_running: int, timeout_s: float
    ) -> None:
        self._loop = loop
        self._group = group
        self._max_running = max_running
        self._timeout_s = timeout_s
        self._idle: list[_Carrier] = []
        self._busy: dict[_Carrier, None] = {}
        self._waiting: deque[tuple[Coroutine[Any, Any, Any], Finish]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()
        self._ending = 0
        self._starting = 0
        self._started = 0
        self._waited = 0
        self._timed_out = 0
        self._closing = False
        self._spawn()

    def statistics(self) -> RunningStatistics:
        """Figures of now and since the start."""
        return RunningStatistics(
            self._started, self._waited, len(self._busy), len(self._waiting), self._timed_out
        )

    def start(self, coro: Coroutine[Any, Any, Any], finish: Finish) -> None:
        """Takes the first step of a handler; ``finish(result, error)`` is called when it is done, perhaps
        before this returns.

        At ``max_running`` handlers it is queued instead, in order.
        """
        self._started += 1
        if self._waiting or len(self._busy) >= self._max_running or not self._idle:
            self._waiting.append((coro, finish))
            self._empty.clear()
            if not self._idle and len(self._busy) < self._max_running:
                self._spawn()
            return
        self._step(coro, finish)

    def _step(self, coro: Coroutine[Any, Any, Any], finish: Finish) -> None:
        carrier = self._idle[-1]
        task = carrier.task
        if task.cancelling():
            self._step_by_another(coro, finish)
            return
        context = copy_context()
        try:
            _enter_task(self._loop, task)
        except RuntimeError:  # a task is current: step out of it first
            self._started -= 1
            self._loop.call_soon(self.start, coro, finish)
            return
        try:
            waits_for = context.run(coro.send, None)
        except StopIteration as stop:
            _leave_task(self._loop, task)
            finish(stop.value, None)
            return
        except BaseException as error:
            _leave_task(self._loop, task)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            finish(None, error)
            return
        _leave_task(self._loop, task)
        self._idle.pop()
        self._busy[carrier] = None
        self._empty.clear()
        self._waited += 1
        carrier.deadline = self._loop.time() + self._timeout_s
        carrier.timed_out = False
        carrier.take(coro, context, waits_for, finish)
        if not self._idle and len(self._busy) < self._max_running:
            self._spawn()

    def _step_by_another(self, coro: Coroutine[Any, Any, Any], finish: Finish) -> None:
        """A handler cancelled its task and ended without waiting: that carrier must wake up before it serves again."""
        while self._idle and self._idle[-1].task.cancelling():
            self._idle.pop()
        if self._idle:
            self._step(coro, finish)
        else:
            self._waiting.appendleft((coro, finish))
            self._empty.clear()

    def spoiled(self, carrier: _Carrier) -> None:
        """A carrier was cancelled while it had nothing to do; it parks anew."""
        if carrier in self._idle:
            self._idle.remove(carrier)

    def _spawn(self) -> None:
        if not self._starting and not self._closing:
            self._starting += 1
            _Carrier(self, self._group)

    def parked(self, carrier: _Carrier) -> None:
        """A carrier is ready for work."""
        self._starting = 0
        self._busy.pop(carrier, None)
        if self._closing:  # it was still starting when `close` came
            carrier.dismiss()
            return
        self._idle.append(carrier)
        if self._waiting:
            self._loop.call_soon(self._work_off)
        else:
            self._see_whether_empty()
        if len(self._idle) > _SPARE_CARRIERS:
            self._idle.pop(0).dismiss()

    def _work_off(self) -> None:
        while self._waiting and self._idle and len(self._busy) < self._max_running:
            self._step(*self._waiting.popleft())
        self._see_whether_empty()

    def finished(self, carrier: _Carrier, finish: Finish, result: Any, failure: BaseException | None) -> None:
        """A carrier's handler is done."""
        if carrier.timed_out and isinstance(failure, asyncio.CancelledError):
            failure = TimeoutError(f"the handler did not end within handler_timeout_s={self._timeout_s:g}")
        self._ending += 1
        self._loop.call_soon(self._end, finish, result, failure)

    def _end(self, finish: Finish, result: Any, failure: BaseException | None) -> None:
        self._ending -= 1
        try:
            finish(result, failure)
        finally:
            self._see_whether_empty()

    def _see_whether_empty(self) -> None:
        if not (self._waiting or self._busy or self._ending):
            self._empty.set()

    def expire(self, now: float) -> None:
        """Cancels handlers that run longer than ``timeout_s``; called about once a second.

        Args:
            now: the loop's time.
        """
        for carrier in self._busy:
            if now >= carrier.deadline and not carrier.timed_out:
                carrier.timed_out = True
                self._timed_out += 1
                carrier.task.cancel()

    async def wait_empty(self) -> None:
        """Waits until no handler runs or waits for its place, and the ends of all were told."""
        while not self._empty.is_set():  # again, where the end of one has started another
            await self._empty.wait()

    def close(self) -> None:
        """Cancels all that runs, and the carriers. Idempotent."""
        self._closing = True
        for coro, _ in self._waiting:
            coro.close()
        self._waiting.clear()
        for carrier in (*self._idle, *self._busy):
            carrier.dismiss()
