"""Tasks that take over handlers which wait, each one after the other. See `running`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Protocol

Finish = Callable[[Any, BaseException | None], None]


class Runner(Protocol):
    """What carriers work for."""

    def parked(self, carrier: Carrier) -> None:
        """A carrier is ready for work."""
        ...

    def spoiled(self, carrier: Carrier) -> None:
        """A carrier was cancelled while it had nothing to do; it parks anew."""
        ...

    def finished(self, carrier: Carrier, finish: Finish, result: Any, failure: BaseException | None) -> None:
        """A carrier's handler is done."""
        ...


class Resume:
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


class Carrier:
    """A parked task that takes over a handler which waits.

    Attributes:
        deadline: when what it carries must have ended.
        timed_out: whether that was cancelled, because it had not.
        given_up: whether nobody waits for its end any more.
        dismissed: whether the task is to end.
        task: the task.
    """

    __slots__ = ("_runner", "_wake", "_work", "deadline", "dismissed", "given_up", "task", "timed_out")

    def __init__(self, runner: Runner, loop: asyncio.AbstractEventLoop) -> None:
        self._runner = runner
        self._wake: asyncio.Future[None] | None = None
        self._work: tuple[Coroutine[Any, Any, Any], Context, Any, Finish] | None = None
        self.deadline = 0.0
        self.timed_out = False
        self.dismissed = self.given_up = False
        self.task: asyncio.Task[None] = loop.create_task(self._run())

    @property
    def finish(self) -> Finish:
        """Who is to be told of the end of what it carries."""
        assert self._work is not None
        return self._work[3]

    def take(self, coro: Coroutine[Any, Any, Any], context: Context, waits_for: Any, finish: Finish) -> None:
        """Goes on with a handler that has taken its first step."""
        self._work = (coro, context, waits_for, finish)
        assert self._wake is not None
        if not self._wake.done():  # it is where the handler's first step has cancelled its task
            self._wake.set_result(None)

    def dismiss(self) -> None:
        """Cancels what it carries; then the task ends."""
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
                    result = await Resume(coro, context, waits_for, cancelled)
                except KeyboardInterrupt:  # the user's Ctrl-C, which happened to find this handler
                    raise
                except BaseException as error:  # it is the session's to answer, whatever it was
                    failure = error
                self._work = None
                self._runner.finished(self, finish, result, failure)
                # A carrier that waits for work keeps nothing of the last session alive.
                del coro, context, waits_for, finish, result, failure
            while self.task.uncancel():  # the next handler begins without the last one's cancellation
                pass
            if self.dismissed or self.given_up:
                return
