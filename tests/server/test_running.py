"""Every handler here is started as a session starts it: from a callback of the loop, outside of any task."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from serving import until
from stompede.server.running import HandlerRunner

Outcome = tuple[Any, BaseException | None]


class Bench:
    """A runner, and what became of what it ran."""

    def __init__(self, group: asyncio.TaskGroup, max_running: int, timeout_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.runner = HandlerRunner(self.loop, group, max_running, timeout_s)
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
    ready = asyncio.Event()
    stop = asyncio.Event()
    wanted: list[tuple[int, float]] = []

    async def host() -> None:
        async with asyncio.TaskGroup() as group:
            benches.append(Bench(group, *wanted[0]))
            ready.set()
            await stop.wait()
            benches[0].runner.close()

    task: list[asyncio.Task[None]] = []

    async def make(max_running: int = 100, timeout_s: float = 60) -> Bench:
        wanted.append((max_running, timeout_s))
        task.append(asyncio.create_task(host()))
        await ready.wait()
        return benches[0]

    yield make
    stop.set()
    async with asyncio.timeout(5):
        await asyncio.gather(*task)


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
        await asyncio.sleep(0.01)
        assert asyncio.current_task() is first, "the task of the first step goes on with it"
        return "done"

    assert await bench.run(handler()) == "done"
    after = bench.runner.statistics()
    assert (after.started - before.started, after.waited - before.waited, after.running) == (1, 1, 0)


async def test_no_task_is_current_after_the_first_step(bench: Bench) -> None:
    seen: list[Any] = []

    def checked() -> None:
        bench.runner.start(asyncio.sleep(0.001), lambda *_: seen.append("done"))
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
        return await asyncio.wait_for(asyncio.sleep(0.001, "slept"), 1)

    assert await bench.run(handler()) == "slept"

    async def late() -> None:
        await asyncio.wait_for(asyncio.Event().wait(), 0.01)

    with pytest.raises(TimeoutError):
        await bench.run(late())


async def test_a_task_group_in_the_first_step_works_and_fails_as_anywhere(bench: Bench) -> None:
    async def good() -> list[int]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(0.001, number)) for number in range(3)]
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


# Cancellation.


async def test_a_handler_that_cancels_itself_and_waits_is_cancelled(bench: Bench) -> None:
    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await bench.run(handler())
    assert await bench.run(asyncio.sleep(0.001, "next")) == "next"


async def test_what_a_cancelled_handler_waits_for_is_cancelled_with_it(bench: Bench) -> None:
    inner: list[asyncio.Task[Any]] = []

    async def handler() -> None:
        inner.append(asyncio.create_task(asyncio.Event().wait()))
        async with asyncio.timeout(0):
            await inner[0]

    with pytest.raises(TimeoutError):
        await bench.run(handler())
    await until(inner[0].done)
    assert inner[0].cancelled()


async def test_a_handler_that_cancels_itself_and_returns_harms_no_other(bench: Bench) -> None:
    async def careless() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return "returned"

    for _ in range(3):
        first = bench.start(careless())
        second = bench.start(asyncio.sleep(0.001, "innocent"))  # of the same turn of the loop
        async with asyncio.timeout(5):
            assert await first == ("returned", None)
            assert await second == ("innocent", None)
        assert await bench.run(asyncio.sleep(0.001, "next")) == "next"


async def test_a_handler_that_swallows_a_cancellation_leaves_none_for_the_next(bench: Bench) -> None:
    async def stubborn() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "stays"
        return "never"

    assert await bench.run(stubborn()) == "stays"

    async def next_one() -> int:
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert await bench.run(next_one()) == 0


# Bounds.


async def test_no_more_than_the_bound_wait_and_the_others_start_in_order(make_bench: Any) -> None:
    bench: Bench = await make_bench(max_running=2)
    events = [asyncio.Event() for _ in range(5)]
    started: list[int] = []

    async def handler(number: int) -> None:
        started.append(number)
        await events[number].wait()

    done = [bench.start(handler(number), str(number)) for number in range(5)]
    await until(lambda: bench.runner.statistics().queued == 3 and len(started) == 2)
    assert bench.runner.statistics().running == 2
    for number in range(5):
        events[number].set()
        await done[number]
    assert started == [0, 1, 2, 3, 4]
    assert bench.order == ["0", "1", "2", "3", "4"]
    await until(lambda: bench.runner.statistics().running == 0)


async def test_a_newcomer_does_not_overtake_those_who_wait(make_bench: Any) -> None:
    bench: Bench = await make_bench(max_running=1)
    event = asyncio.Event()
    first = bench.start(waits(event), "first")
    waiting = [bench.start(returns(number), f"waiting {number}") for number in range(3)]
    await until(lambda: bench.runner.statistics().queued == 3)

    def finished(_: object) -> None:
        bench.runner.start(returns("newcomer"), lambda *_: bench.order.append("newcomer"))

    first.add_done_callback(finished)
    event.set()
    await asyncio.gather(first, *waiting)
    await until(lambda: len(bench.order) == 5)
    assert bench.order == ["first", "waiting 0", "waiting 1", "waiting 2", "newcomer"]


async def test_a_thousand_handlers_wait_at_once_and_all_end(make_bench: Any) -> None:
    bench: Bench = await make_bench(max_running=1000)
    event = asyncio.Event()
    done = [bench.start(waits(event, number)) for number in range(1000)]
    await until(lambda: bench.runner.statistics().running == 1000)
    event.set()
    assert [result for result, _ in await asyncio.gather(*done)] == list(range(1000))


async def test_carriers_are_used_again_and_not_hoarded(bench: Bench) -> None:
    async def tasks() -> int:
        return len(asyncio.all_tasks())

    for _ in range(50):
        await bench.run(asyncio.sleep(0.0001))
    before = await bench.run(tasks())
    event = asyncio.Event()
    done = [bench.start(waits(event)) for _ in range(90)]
    await until(lambda: bench.runner.statistics().running == 90)
    event.set()
    await asyncio.gather(*done)
    await until(lambda: len(asyncio.all_tasks()) <= 70, "the surplus of carriers to end")
    assert before <= 5
    assert await bench.run(asyncio.sleep(0.001, "works")) == "works"


async def test_a_handler_beyond_its_time_is_cancelled_and_says_so(make_bench: Any) -> None:
    bench: Bench = await make_bench(timeout_s=5)
    cleaned: list[str] = []

    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    done = bench.start(handler())
    await until(lambda: bench.runner.statistics().running == 1)
    bench.runner.expire(bench.loop.time() + 4)
    assert not done.done()
    bench.runner.expire(bench.loop.time() + 5.1)
    _, error = await done
    assert isinstance(error, TimeoutError)
    assert "handler_timeout_s=5" in str(error)
    assert cleaned == ["up"]
    assert bench.runner.statistics().timed_out == 1


async def test_a_handler_that_ignores_its_timeout_may_still_end(make_bench: Any) -> None:
    bench: Bench = await make_bench(timeout_s=5)

    async def handler() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "late, but done"
        return "never"

    done = bench.start(handler())
    await until(lambda: bench.runner.statistics().running == 1)
    bench.runner.expire(bench.loop.time() + 6)
    assert await done == ("late, but done", None)
    assert await bench.run(asyncio.sleep(0.001, "next")) == "next"


async def test_wait_empty_waits_for_those_that_run_and_those_that_wait(make_bench: Any) -> None:
    bench: Bench = await make_bench(max_running=1)
    events = [asyncio.Event(), asyncio.Event()]
    done = [bench.start(waits(event)) for event in events]
    await until(lambda: bench.runner.statistics().queued == 1)
    empty = asyncio.create_task(bench.runner.wait_empty())
    events[0].set()
    await done[0]
    assert not empty.done()
    events[1].set()
    async with asyncio.timeout(5):
        await empty
    assert done[1].done(), "empty means that the last one's end was told, too"


async def test_wait_empty_waits_for_what_the_end_of_one_starts(make_bench: Any) -> None:
    bench: Bench = await make_bench()
    event, second_event = asyncio.Event(), asyncio.Event()
    order: list[str] = []

    def second(_: object, __: object) -> None:
        order.append("first")
        bench.runner.start(waits(second_event), lambda *_: order.append("second"))

    bench.loop.call_soon(bench.runner.start, waits(event), second)
    await until(lambda: bench.runner.statistics().running == 1)
    empty = asyncio.create_task(bench.runner.wait_empty())
    event.set()
    await until(lambda: order == ["first"])
    for _ in range(5):
        await asyncio.sleep(0)
    assert not empty.done()
    second_event.set()
    async with asyncio.timeout(5):
        await empty
    assert order == ["first", "second"]


async def test_context_variables_of_one_handler_are_not_seen_by_the_next(bench: Bench) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    async def sets(wait: bool) -> str:
        variable.set("set")
        if wait:
            await asyncio.sleep(0.001)
        return variable.get()

    async def reads(wait: bool) -> str:
        if wait:
            await asyncio.sleep(0.001)
        return variable.get()

    for first in (False, True):
        for second in (False, True):
            assert await bench.run(sets(first)) == "set", "a handler sees what it set"
            assert await bench.run(reads(second)) == "unset"


async def test_closing_ends_what_runs_and_what_waits() -> None:
    ended: list[str] = []

    async def handler() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        bench = Bench(group, 1, 60)
        for _ in range(3):
            bench.start(handler())
        await until(lambda: bench.runner.statistics().queued == 2)
        bench.runner.close()
        bench.runner.close()
    assert ended == ["cancelled"]
