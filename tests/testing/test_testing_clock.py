import asyncio
import time

import pytest

from stompede.testing import ManualClock


async def test_timers_ring_only_when_time_is_advanced_and_in_their_order() -> None:
    clock = ManualClock()
    rung: list[str] = []
    loop = asyncio.get_running_loop()
    with clock.driving():
        loop.call_later(20, rung.append, "second")
        loop.call_later(10, rung.append, "first")
        await clock.advance(9.9)
        assert rung == []
        await clock.advance(0.2)
        assert rung == ["first"]
        await clock.advance(60)
        assert rung == ["first", "second"]


async def test_minutes_of_sleep_take_no_time() -> None:
    clock = ManualClock()
    began = time.monotonic()
    with clock.driving():
        sleeper = asyncio.create_task(asyncio.sleep(600, "rested"))
        await clock.advance(601)
        assert await sleeper == "rested"
    assert time.monotonic() - began < 5


async def test_timeouts_obey_it() -> None:
    clock = ManualClock()

    async def wait() -> None:
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    with clock.driving():
        task = asyncio.create_task(wait())
        await clock.advance(29)
        assert not task.done()
        await clock.advance(2)
        with pytest.raises(TimeoutError):
            await task


async def test_both_clocks_advance_together_and_begin_at_the_real_time() -> None:
    clock = ManualClock()
    now, unix = clock.now(), clock.unix_now()
    assert abs(unix - time.time()) < 60
    await clock.advance(5)
    assert (clock.now() - now, clock.unix_now() - unix) == (pytest.approx(5), pytest.approx(5))


async def test_the_loop_gets_its_own_clock_back() -> None:
    clock = ManualClock()
    loop = asyncio.get_running_loop()
    with clock.driving():
        await clock.advance(0)
    assert abs(loop.time() - time.monotonic()) < 60
    await asyncio.wait_for(asyncio.sleep(0), 5)


async def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="back"):
        await ManualClock().advance(-1)
