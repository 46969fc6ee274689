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
from asyncio.tasks import _enter_task, _leave_task, _unregister_task
from collections import deque
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any, Final

import msgspec

from stompede.server.handlers.carriers import Carrier, Finish

_SPARE_CARRIERS: Final = 64
_CARRIERS_END_S: Final = 1.0  # what has nothing to do, or does not fight its cancellation, ends at once


class RunningStatistics(msgspec.Struct, frozen=True):
    """What `HandlerRunner.statistics` tells.

    Attributes:
        started: handlers started.
        waited: of those, the ones that had to wait for something.
        running: handlers that wait now.
        queued: handlers that wait for a place, because ``max_handlers`` run.
        timed_out: handlers cancelled after ``handler_timeout_s``.
        given_up: of those, the ones that did not end.
    """

    started: int
    waited: int
    running: int
    queued: int
    timed_out: int
    given_up: int


class HandlerTimeoutError(TimeoutError):
    """A handler took longer than it may.

    Attributes:
        timeout_s: how long it may take; ``None`` where the node stopped, and could wait no longer.
        ended: whether it has ended; one that does not end when it is cancelled was given up.
    """

    def __init__(self, timeout_s: float | None, *, ended: bool) -> None:
        super().__init__(timeout_s, ended)
        self.timeout_s = timeout_s
        self.ended = ended

    def __str__(self) -> str:
        stubborn = "" if self.ended else ", nor when it was cancelled"
        if self.timeout_s is None:
            return f"the handler did not end before the node had to stop (shutdown_timeout_s){stubborn}"
        return f"the handler did not end within handler_timeout_s={self.timeout_s:g}{stubborn}"


class HandlerRunner:
    """Runs handlers of one node, bounded in number and in time.

    It owns its tasks itself, until `aclose`: a TaskGroup would wait for a handler that swallows its cancellation, and
    the node could never stop.

    Args:
        loop: the node's loop.
        max_running: handlers that may wait at once; further ones queue.
        timeout_s: longest life of a handler. Then it is cancelled; if it has not ended after the same time once more,
            it is given up: its caller is told, and nobody waits for it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, max_running: int, timeout_s: float) -> None:
        self._loop = loop
        self._max_running = max_running
        self._timeout_s = timeout_s
        self._carriers: dict[Carrier, None] = {}
        self._idle: list[Carrier] = []
        self._busy: dict[Carrier, None] = {}
        self._waiting: deque[tuple[Coroutine[Any, Any, Any], Finish]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()
        self._ending = 0
        self._starting = 0
        self._started = 0
        self._waited = 0
        self._timed_out = 0
        self._stopping = False
        self._given_up = 0
        self._closing = False
        self._spawn()

    def statistics(self) -> RunningStatistics:
        """Figures of now and since the start."""
        return RunningStatistics(
            self._started,
            self._waited,
            len(self._busy),
            len(self._waiting),
            self._timed_out,
            self._given_up,
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
            if isinstance(error, KeyboardInterrupt):  # the user's Ctrl-C, which happened to find this handler
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

    def spoiled(self, carrier: Carrier) -> None:
        """A carrier was cancelled while it had nothing to do; it parks anew."""
        if carrier in self._idle:
            self._idle.remove(carrier)

    def _spawn(self) -> None:
        if not self._starting and not self._closing:
            self._starting += 1
            carrier = Carrier(self, self._loop)
            self._carriers[carrier] = None
            carrier.task.add_done_callback(lambda _: self._forget(carrier))

    def _forget(self, carrier: Carrier) -> None:
        self._carriers.pop(carrier, None)
        self._busy.pop(carrier, None)
        self._see_whether_empty()

    def parked(self, carrier: Carrier) -> None:
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

    def finished(self, carrier: Carrier, finish: Finish, result: Any, failure: BaseException | None) -> None:
        """A carrier's handler is done."""
        if carrier.given_up:  # the caller was told long ago
            return
        if carrier.timed_out and isinstance(failure, asyncio.CancelledError):
            failure = self._too_long(ended=True)
        self._tell(finish, result, failure)

    def _tell(self, finish: Finish, result: Any, failure: BaseException | None) -> None:
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
        """Cancels handlers that run longer than ``timeout_s``, and gives up those that do not end when they are;
        called about once a second.

        Args:
            now: the loop's time.
        """
        for carrier in [one for one in self._busy if now >= one.deadline]:
            if carrier.timed_out:
                self._give_up(carrier)
            else:
                self._cancel(carrier)
                carrier.deadline = now + self._timeout_s

    def cancel_all(self) -> None:
        """Cancels all handlers that run, those that were cancelled before, too."""
        self._stopping = True
        for carrier in self._busy:
            self._cancel(carrier)

    def give_up_all(self) -> None:
        """Waits for no handler any more: who started one that runs is told that it has not ended."""
        for carrier in list(self._busy):
            self._give_up(carrier)

    def _cancel(self, carrier: Carrier) -> None:
        if not carrier.timed_out:
            carrier.timed_out = True
            self._timed_out += not self._stopping
        carrier.task.cancel()

    def _give_up(self, carrier: Carrier) -> None:
        """Its place is free, and its end is of no interest; one more cancellation may bring it about."""
        del self._busy[carrier]
        self._given_up += 1
        carrier.given_up = True
        self._tell(carrier.finish, None, self._too_long(ended=False))
        carrier.task.cancel()
        self._loop.call_soon(self._refill)

    def _too_long(self, *, ended: bool) -> HandlerTimeoutError:
        return HandlerTimeoutError(None if self._stopping else self._timeout_s, ended=ended)

    def _refill(self) -> None:
        if self._waiting and not self._idle:
            self._spawn()
        self._work_off()

    async def wait_empty(self) -> None:
        """Waits until no handler runs or waits for its place, and the ends of all were told."""
        while not self._empty.is_set():  # again, where the end of one has started another
            await self._empty.wait()

    async def aclose(self) -> None:
        """Cancels all that runs, and ends the carriers. Idempotent.

        Handlers that do not end are left behind, unknown to the loop: whoever closes it does not wait for them.
        """
        self._closing = True
        for coro, _ in self._waiting:
            coro.close()
        self._waiting.clear()
        for carrier in (*self._idle, *self._busy):
            carrier.dismiss()
        ending = [carrier.task for carrier in self._carriers if not carrier.given_up]
        if ending:
            await asyncio.wait(ending, timeout=_CARRIERS_END_S)
        self.give_up_all()
        for carrier in self._carriers:
            _unregister_task(carrier.task)
            carrier.task._log_destroy_pending = False  # type: ignore[attr-defined]  # as asyncio.gather does it
