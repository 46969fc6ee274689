"""A runner of handlers, and what became of what it ran.

Every handler is started as a session starts it: from a callback of the loop, outside of any task.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from stompede.server.handlers.running import HandlerRunner

Outcome = tuple[Any, BaseException | None]


class Bench:
    """A runner, and what became of what it ran."""

    def __init__(self, max_running: int, timeout_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.runner = HandlerRunner(self.loop, max_running, timeout_s)
        self.order: list[str] = []

    def start(self, coro: Coroutine[Any, Any, Any], name: str = "") -> "asyncio.Future[Outcome]":
        done: asyncio.Future[Outcome] = self.loop.create_future()

        def finish(result: Any, error: BaseException | None) -> None:
            self.order.append(name)
            done.set_result((result, error))

        self.loop.call_soon(self.runner.start, coro, finish)
        return done

    async def run(self, coro: Coroutine[Any, Any, Any]) -> Any:
        async with asyncio.timeout(5):
            result, error = await self.start(coro)
        if error is not None:
            raise error
        return result


@pytest.fixture
async def make_bench() -> AsyncIterator[Any]:
    benches: list[Bench] = []

    async def make(max_running: int = 100, timeout_s: float = 60) -> Bench:
        benches.append(Bench(max_running, timeout_s))
        return benches[-1]

    yield make
    async with asyncio.timeout(5):
        for bench in benches:
            await bench.runner.aclose()


@pytest.fixture
async def bench(make_bench: Any) -> Bench:
    bench: Bench = await make_bench()
    await bench.run(asyncio.sleep(0))
    return bench


async def returns(value: Any) -> Any:
    return value


async def raises(error: BaseException) -> None:
    raise error


async def waits(event: asyncio.Event, value: Any = None) -> Any:
    await event.wait()
    return value
