"""The first step of a handler, and asyncio's own tools within it."""

import asyncio
from typing import Any

import pytest
from runner_bench import Bench, Outcome, bench, make_bench, raises, returns

from serving import shortly, until

__all__ = ["bench", "make_bench"]


# The first step.


async def test_a_handler_that_does_not_wait_is_done_before_start_returns(bench: Bench) -> None:
    seen: list[Outcome] = []

    def callback() -> None:
        bench.runner.start(returns(7), lambda result, error: seen.append((result, error)))
        assert seen == [(7, None)]
        seen.append((None, None))

    bench.loop.call_soon(callback)
    await until(lambda: len(seen) == 2)


async def test_its_error_arrives_the_same_way(bench: Bench) -> None:
    with pytest.raises(KeyError):
        await bench.run(raises(KeyError("x")))
    with pytest.raises(asyncio.CancelledError):
        await bench.run(raises(asyncio.CancelledError()))


async def test_a_handler_that_waits_goes_on_in_a_task(bench: Bench) -> None:
    before = bench.runner.statistics()

    async def handler() -> str:
        first = asyncio.current_task()
        await shortly()
        assert asyncio.current_task() is first, "the task of the first step goes on with it"
        return "done"

    assert await bench.run(handler()) == "done"
    after = bench.runner.statistics()
    assert (after.started - before.started, after.waited - before.waited, after.running) == (1, 1, 0)


async def test_no_task_is_current_after_the_first_step(bench: Bench) -> None:
    seen: list[Any] = []

    def checked() -> None:
        bench.runner.start(shortly(), lambda *_: seen.append("done"))
        seen.append(asyncio.current_task())

    bench.loop.call_soon(checked)
    await until(lambda: len(seen) == 2)
    assert seen == [None, "done"]


async def test_a_handler_may_be_started_from_within_a_task(bench: Bench) -> None:
    done: asyncio.Future[Outcome] = bench.loop.create_future()
    bench.runner.start(returns(3), lambda *outcome: done.set_result(outcome))
    async with asyncio.timeout(5):
        assert await done == (3, None)


async def test_a_handler_may_be_started_from_within_the_first_step_of_another(bench: Bench) -> None:
    inner: asyncio.Future[Outcome] = bench.loop.create_future()

    async def outer() -> str:
        bench.runner.start(returns("inner"), lambda *outcome: inner.set_result(outcome))
        return "outer"

    assert await bench.run(outer()) == "outer"
    async with asyncio.timeout(5):
        assert await inner == ("inner", None)


# asyncio's own tools, from the first step on.


async def test_a_timeout_that_begins_in_the_first_step_rings(bench: Bench) -> None:
    async def handler() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "never"

    assert await bench.run(handler()) == "timed out"
    assert await bench.run(returns("next")) == "next"


async def test_a_timeout_that_is_over_at_once_rings(bench: Bench) -> None:
    async def handler() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "timed out"
        return "never"

    assert await bench.run(handler()) == "timed out"


async def test_wait_for_in_the_first_step_works(bench: Bench) -> None:
    async def handler() -> str:
        return await asyncio.wait_for(shortly("slept"), 1)

    assert await bench.run(handler()) == "slept"

    async def late() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)

    with pytest.raises(TimeoutError):
        await bench.run(late())


async def test_a_task_group_in_the_first_step_works_and_fails_as_anywhere(bench: Bench) -> None:
    async def good() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(shortly(number)) for number in range(3)]
        return [task.result() for task in tasks]

    assert await bench.run(good()) == [0, 1, 2]

    async def bad() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(raises(KeyError("child")))
            await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup) as caught:
        await bench.run(bad())
    assert caught.group_contains(KeyError)
    assert await bench.run(returns("next")) == "next"


async def test_gather_shield_locks_and_queues_work_from_the_first_step(bench: Bench) -> None:
    lock, queue = asyncio.Lock(), asyncio.Queue[int]()

    async def handler() -> list[int]:
        async with lock:
            results = await asyncio.gather(asyncio.sleep(0, 1), asyncio.shield(asyncio.sleep(0, 2)))
            bench.loop.call_later(0.001, queue.put_nowait, 3)
            return [*results, await queue.get()]

    assert await bench.run(handler()) == [1, 2, 3]


async def test_a_handler_that_only_gives_way_goes_on(bench: Bench) -> None:
    async def handler() -> str:
        for _ in range(5):
            await asyncio.sleep(0)
        return "done"

    assert await bench.run(handler()) == "done"


async def test_a_future_that_is_done_already_does_not_wait(bench: Bench) -> None:
    future = bench.loop.create_future()
    future.set_result("there")
    before = bench.runner.statistics().waited
    assert await bench.run(_await(future)) == "there"
    assert bench.runner.statistics().waited == before


async def _await(future: "asyncio.Future[Any]") -> Any:
    return await future


async def test_errors_of_what_is_awaited_arrive_in_the_handler(bench: Bench) -> None:
    future = bench.loop.create_future()
    bench.loop.call_later(0.001, future.set_exception, LookupError("later"))

    async def handler() -> str:
        try:
            await future
        except LookupError:
            await asyncio.sleep(0)
            return "caught"
        return "never"

    assert await bench.run(handler()) == "caught"
