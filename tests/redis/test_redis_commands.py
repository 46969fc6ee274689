from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator

import pytest

from redisserving import RedisServer, running_redis
from serving import until
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.redis.commands import Commands, Script

COUNT = Script("return redis.call('INCR', KEYS[1])")
COUNT_ONCE = Script("return redis.call('INCR', KEYS[1]), true", once=True)
pytestmark = pytest.mark.asyncio


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def commands(redis: RedisServer) -> AsyncIterator[Commands]:
    made = Commands(RedisAddress.parse(redis.url), timeout_s=5)
    yield made
    await made.aclose()


async def test_commands_and_scripts_are_answered_in_bytes(commands: Commands) -> None:
    await commands.call("SET", "{a}:text", "요리사")
    assert await commands.call("GET", "{a}:text") == "요리사".encode()
    assert [await commands.run(COUNT, ("{a}:count",)) for _ in range(3)] == [1, 2, 3]


async def test_each_of_many_calls_at_once_gets_its_own_answer(commands: Commands) -> None:
    answers = await asyncio.gather(*(commands.run(COUNT, (f"{{a}}:{number}",)) for number in range(1000)))
    assert set(answers) == {1}
    answers = await asyncio.gather(*(commands.run(COUNT, ("{a}:all",)) for _ in range(1000)))
    assert sorted(answers) == list(range(1, 1001))


async def test_a_server_that_has_forgotten_a_script_is_given_it(commands: Commands) -> None:
    for number in range(1, 4):
        assert await commands.run(COUNT, ("{a}:count",)) == number
        await commands.call("SCRIPT", "FLUSH")
    answers = await asyncio.gather(*(commands.run(COUNT_ONCE, ("{a}:once",)) for _ in range(5)))
    assert sorted(answers) == [1, 2, 3, 4, 5]


async def test_what_a_script_does_wrong_is_told_and_the_others_are_answered(commands: Commands) -> None:
    wrong = Script("return redis.call('INCR', KEYS[1], 'x')")
    answers = await asyncio.gather(
        commands.run(COUNT, ("{a}:count",)),
        commands.run(wrong, ("{a}:count",)),
        commands.run(COUNT, ("{a}:count",)),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == (1, 2)
    assert isinstance(answers[1], BusError)
    assert "refused" in str(answers[1])


async def test_who_was_cancelled_while_it_waited_is_not_sent(redis: RedisServer, commands: Commands) -> None:
    assert await commands.run(COUNT, ("{a}:count",)) == 1
    redis.process.send_signal(signal.SIGSTOP)
    under_way = asyncio.create_task(commands.run(COUNT, ("{a}:count",)))
    await until(lambda: commands._flight is not None and not commands._waiting)
    waiting = asyncio.create_task(commands.run(COUNT, ("{a}:count",)))
    await until(lambda: len(commands._waiting) == 1)
    waiting.cancel()
    redis.process.send_signal(signal.SIGCONT)
    assert await under_way == 2
    assert await commands.run(COUNT, ("{a}:count",)) == 3
    assert waiting.cancelled()


async def test_no_more_wait_than_the_bound_allows(
    redis: RedisServer, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stompede.redis.commands._WAITING_MOST", 10)
    await commands.call("PING")
    redis.process.send_signal(signal.SIGSTOP)
    under_way = asyncio.create_task(commands.call("PING"))
    await until(lambda: commands._flight is not None and not commands._waiting)
    waiting = [asyncio.create_task(commands.call("PING")) for _ in range(10)]
    await until(lambda: len(commands._waiting) == 10)
    with pytest.raises(BusError, match="is slow: 10 commands wait already"):
        await commands.call("PING")
    redis.process.send_signal(signal.SIGCONT)
    await asyncio.gather(under_way, *waiting)
