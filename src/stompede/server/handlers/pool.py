"""The bounded thread pool for handlers and dependencies that are plain ``def``."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import msgspec

from stompede.messaging.problem import Problem

THREAD_NAME: Final = "stompede-handler"
"""What the names of the pool's threads begin with."""

T = TypeVar("T")


class PoolStatistics(msgspec.Struct, frozen=True):
    """What `Pool.statistics` tells.

    Attributes:
        threads: size of the pool.
        running: calls that have a thread.
        queued: calls that wait for one.
        refused: calls refused because ``pool_queue`` waited already.
        done: calls that ended.
    """

    threads: int
    running: int
    queued: int
    refused: int
    done: int


def _call(func: Callable[..., T], *args: Any) -> T:
    try:
        return func(*args)
    except StopIteration as error:  # no future takes it; a coroutine says the same
        raise RuntimeError("the function raised StopIteration") from error
    except (
        KeyboardInterrupt,
        SystemExit,
    ) as error:  # Ctrl-C never comes to this thread: the function's own doing
        raise RuntimeError(f"the function raised {type(error).__name__}") from error


async def _wait_done(future: asyncio.Future[Any]) -> None:
    """Waits, however often it is cancelled."""
    while not future.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait([future])


class Pool:
    """Threads for blocking work.

    Args:
        threads: how many.
        max_queued: calls that may wait for a thread.
    """

    def __init__(self, threads: int, max_queued: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=THREAD_NAME)
        self._threads = threads
        self._max_queued = max_queued
        self._in = 0
        self._refused = 0
        self._done = 0

    def statistics(self) -> PoolStatistics:
        """Figures of now and since the start."""
        running = min(self._in, self._threads)
        return PoolStatistics(self._threads, running, self._in - running, self._refused, self._done)

    async def run(self, func: Callable[..., T], *args: Any) -> T:
        """Calls ``func`` in a thread, with the caller's context variables.

        A thread cannot be cancelled. So a call that is cancelled is over when its thread has returned: what the caller
        does next, or the next message of its session, finds the work done and not half done.

        Raises:
            Problem: ``unavailable``, when the queue is full.
        """
        if self._in >= self._threads + self._max_queued:
            self._refused += 1
            raise Problem("unavailable", "the node has no thread free for this; try again")
        return await self.run_always(func, *args)

    async def run_always(self, func: Callable[..., T], *args: Any) -> T:
        """Like `run`, and never refuses: for the end of what a call of `run` began."""
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        future = self._executor.submit(context.run, _call, func, *args)
        self._in += 1
        future.add_done_callback(lambda _: self._leave(loop))
        returned = asyncio.wrap_future(future, loop=loop)
        try:
            return await asyncio.shield(returned)
        except asyncio.CancelledError:
            if not future.cancel():  # it has a thread already
                await _wait_done(returned)
            raise

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        # In the thread that did the work; the counters belong to the loop. A loop that is closed counts
        # nothing any more.
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._count_done)

    def _count_done(self) -> None:
        self._in -= 1
        self._done += 1

    def close(self) -> None:
        """Takes no more calls; does not wait for the ones that run."""
        self._executor.shutdown(wait=False, cancel_futures=True)
