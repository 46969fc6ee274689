import asyncio

import pytest

from stompede.client.changes import Changes


async def test_a_condition_that_holds_is_not_waited_for() -> None:
    await Changes().until(lambda: True)


async def test_all_who_wait_ask_again_at_each_change_and_those_whose_condition_holds_go_on() -> None:
    changes = Changes()
    reached = 0
    waiters = [asyncio.create_task(changes.until(lambda n=n: reached >= n)) for n in (1, 2, 2)]
    await asyncio.sleep(0)
    for expected in ([True, False, False], [True, True, True]):
        reached += 1
        changes.signal()
        for _ in range(3):
            await asyncio.sleep(0)
        assert [waiter.done() for waiter in waiters] == expected


async def test_cancelling_one_who_waits_disturbs_no_other() -> None:
    changes = Changes()
    done = False
    first = asyncio.create_task(changes.until(lambda: done))
    second = asyncio.create_task(changes.until(lambda: done))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    done = True
    changes.signal()
    await second


async def test_a_change_that_nobody_waits_for_is_nothing() -> None:
    Changes().signal()
