"""Cancellation of handlers, and the bounds of how many run."""

import asyncio
import contextvars
from typing import Any

import pytest
from runner_bench import Bench, bench, make_bench, returns, waits

from serving import shortly, until
from stompede.server.handlers.running import HandlerTimeoutError

__all__ = ["bench", "make_bench"]


# Cancellation.


async def test_a_handler_that_cancels_itself_and_waits_is_cancelled(bench: Bench) -> None:
    async def handler() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        await bench.run(handler())
    assert await bench.run(shortly("next")) == "next"


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
        second = bench.start(shortly("innocent"))  # of the same turn of the loop
        async with asyncio.timeout(5):
            assert await first == ("returned", None)
            assert await second == ("innocent", None)
        assert await bench.run(shortly("next")) == "next"


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
        await bench.run(shortly())
    before = await bench.run(tasks())
    event = asyncio.Event()
    done = [bench.start(waits(event)) for _ in range(90)]
    await until(lambda: bench.runner.statistics().running == 90)
    event.set()
    await asyncio.gather(*done)
    await until(lambda: len(asyncio.all_tasks()) <= 70, "the surplus of carriers to end")
    assert before <= 5
    assert await bench.run(shortly("works")) == "works"


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


async def test_a_handler_that_the_stop_of_the_node_cut_off_did_not_time_out(make_bench: Any) -> None:
    bench: Bench = await make_bench(timeout_s=5)
    done = bench.start(asyncio.Event().wait())
    await until(lambda: bench.runner.statistics().running == 1)
    bench.runner.cancel_all()
    _, error = await done
    assert isinstance(error, TimeoutError)
    assert "before the node had to stop (shutdown_timeout_s)" in str(error)
    assert bench.runner.statistics().timed_out == 0


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
    assert await bench.run(shortly("next")) == "next"


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
            await shortly()
        return variable.get()

    async def reads(wait: bool) -> str:
        if wait:
            await shortly()
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

    async with asyncio.timeout(5):
        bench = Bench(1, 60)
        for _ in range(3):
            bench.start(handler())
        await until(lambda: bench.runner.statistics().queued == 2)
        await bench.runner.aclose()
        await bench.runner.aclose()
    assert ended == ["cancelled"]


class Stubborn:
    """A handler that takes no notice of its cancellation, until a test lets it go."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.cancelled = 0

    async def handle(self) -> str:
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
        return "late"


async def test_a_handler_that_does_not_end_when_it_is_cancelled_is_given_up_and_its_place_is_free(
    make_bench: Any,
) -> None:
    bench: Bench = await make_bench(max_running=1, timeout_s=5)
    stubborn = Stubborn()
    done, next_one = bench.start(stubborn.handle()), bench.start(shortly("next"))
    await until(lambda: bench.runner.statistics().queued == 1)
    begin = bench.loop.time()
    bench.runner.expire(begin + 6)
    await until(lambda: stubborn.cancelled == 1)
    bench.runner.expire(begin + 10)
    assert not done.done(), "it gets its time once more"
    bench.runner.expire(begin + 12)
    result, error = await done
    assert result is None
    assert isinstance(error, HandlerTimeoutError)
    assert not error.ended
    async with asyncio.timeout(5):
        assert await next_one == ("next", None)
        await bench.runner.wait_empty()
    figures = bench.runner.statistics()
    assert (figures.timed_out, figures.given_up, figures.running) == (1, 1, 0)
    stubborn.let_go.set()
    assert await bench.run(shortly("works")) == "works"
    assert bench.order == ["", "", ""], "its end is told once"


async def test_closing_leaves_a_stubborn_handler_behind_and_the_loop_does_not_know_it(
    make_bench: Any,
) -> None:
    bench: Bench = await make_bench()
    stubborn = Stubborn()
    done = bench.start(stubborn.handle())
    await until(lambda: bench.runner.statistics().running == 1)
    async with asyncio.timeout(5):
        await bench.runner.aclose()
    assert isinstance((await done)[1], HandlerTimeoutError)
    assert not [task for task in asyncio.all_tasks() if "Carrier" in repr(task)]
    stubborn.let_go.set()


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_handler_that_exits_ends_itself_alone(bench: Bench, waiting: bool) -> None:
    async def exits() -> None:
        if waiting:
            await shortly()
        raise SystemExit(3)

    result, error = await bench.start(exits())
    assert result is None
    assert isinstance(error, SystemExit)
    assert await bench.run(shortly("next")) == "next"
