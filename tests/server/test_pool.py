import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest

from serving import until
from stompede.messaging.problem import Problem
from stompede.server.handlers.pool import Pool


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2, 3)
    yield pool
    pool.close()


class Gate:
    """Holds threads until a test lets them go."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = 0
        self.lock = threading.Lock()

    def __call__(self, value: int) -> int:
        with self.lock:
            self.inside += 1
        assert self.open.wait(10)
        return value


async def test_a_call_runs_in_another_thread_and_brings_its_result(pool: Pool) -> None:
    thread, value = await pool.run(lambda value: (threading.current_thread(), value), 7)
    assert thread is not threading.main_thread()
    assert thread.name.startswith("stompede-handler")
    assert value == 7


async def test_its_error_arrives(pool: Pool) -> None:
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    await until(lambda: pool.statistics().done == 1)


async def test_context_variables_are_the_callers(pool: Pool) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("caller's")

    def reads_and_sets() -> str:
        before = variable.get()
        variable.set("thread's")
        return before

    assert await pool.run(reads_and_sets) == "caller's"
    assert variable.get() == "caller's"


async def test_beyond_its_bound_it_refuses_and_counts(pool: Pool) -> None:
    gate = Gate()
    calls = [asyncio.create_task(pool.run(gate, number)) for number in range(5)]
    await until(lambda: gate.inside == 2)
    statistics = pool.statistics()
    assert (statistics.threads, statistics.running, statistics.queued) == (2, 2, 3)
    with pytest.raises(Problem) as refused:
        await pool.run(gate, 6)
    assert refused.value.code == "unavailable"
    gate.open.set()
    assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]
    await until(lambda: pool.statistics().done == 5)
    statistics = pool.statistics()
    assert (statistics.running, statistics.queued, statistics.refused) == (0, 0, 1)
    assert await pool.run(gate, 7) == 7, "there is room again"


async def test_a_cancelled_call_is_over_when_its_thread_has_returned(pool: Pool) -> None:
    gate = Gate()
    call = asyncio.create_task(pool.run(gate, 1))
    await until(lambda: gate.inside == 1)
    for _ in range(2):  # however often
        call.cancel()
        for _ in range(3):
            await asyncio.sleep(0)
    assert not call.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    await until(lambda: pool.statistics().done == 1)
    assert pool.statistics().running == 0


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt])
async def test_a_thread_cannot_end_the_process(pool: Pool, raised: type[BaseException]) -> None:
    def exits() -> None:
        raise raised(3)

    with pytest.raises(RuntimeError, match=raised.__name__):
        await pool.run(exits)


async def test_a_cancelled_call_that_waits_for_a_thread_gives_its_place_back(pool: Pool) -> None:
    gate = Gate()
    calls = [asyncio.create_task(pool.run(gate, number)) for number in range(5)]
    await until(lambda: gate.inside == 2)
    calls[4].cancel()
    await until(lambda: pool.statistics().queued == 2)
    gate.open.set()
    assert await asyncio.gather(*calls[:4]) == [0, 1, 2, 3]


async def test_after_close_nothing_is_taken(pool: Pool) -> None:
    pool.close()
    with pytest.raises(RuntimeError):
        await pool.run(int)
    assert pool.statistics().running == 0
