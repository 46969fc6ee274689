import asyncio
import threading
from contextlib import suppress
from typing import Annotated

import msgspec
import pytest
from fastapi import Depends, Header
from messaging_support import COOK, SESSION, Pool, bound, call, invocation, on_the_loop

from stompede._types import Principal
from stompede.errors import StompedeError
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.messaging.session import StompSession


class Say(msgspec.Struct):
    text: str


async def test_an_async_dependency_runs_on_the_loop_and_a_plain_one_in_the_pool():
    async def here():
        return on_the_loop()

    def there():
        return on_the_loop()

    async def handler(a: Annotated[bool, Depends(here)], b: bool = Depends(there)):
        return a, b

    pool = Pool()
    assert await call(handler, pool=pool) == (True, False)
    assert pool.ran == ["there"]


async def test_dependencies_ask_for_what_handlers_may_ask_for_except_the_body():
    async def all_of_it(
        room: int,
        who: Principal,
        s: StompSession,
        m: Message,
        lang: Annotated[str, Header("accept-language")],
    ):
        return room, who, s, m.body, lang

    async def handler(it: Annotated[tuple, Depends(all_of_it)], body: Say):
        return it, body

    given = {"body": b'{"text":"a"}', "path": {"room": "7"}, "headers": {"accept-language": "fi"}}
    result = await call(handler, "/{room}", **given, principal=COOK)
    assert result == ((7, COOK, SESSION, b'{"text":"a"}', "fi"), Say("a"))
    with pytest.raises(Problem, match="login-required"):
        await call(handler, "/{room}", **given)


async def test_sub_dependencies_are_solved_once_for_a_message():
    count = 0

    async def number():
        nonlocal count
        count += 1
        return count

    async def double(n: Annotated[int, Depends(number)]):
        return 2 * n

    async def handler(d: Annotated[int, Depends(double)], n: Annotated[int, Depends(number)]):
        return d, n

    handler = bound(handler)
    assert await handler.call(invocation()) == (2, 1)
    assert await handler.call(invocation()) == (4, 2)


async def test_use_cache_false_asks_again():
    count = 0

    async def number():
        nonlocal count
        count += 1
        return count

    async def handler(
        a: Annotated[int, Depends(number)],
        b: Annotated[int, Depends(number, use_cache=False)],
        c: Annotated[int, Depends(number)],
    ):
        return a, b, c

    assert await call(handler) == (1, 2, 1)


async def test_a_class_is_a_dependency_and_keeps_defaults_that_nothing_fills():
    class Page:
        def __init__(self, room: str, size: int = 10, *, lang: str = Header("en")):
            self.given = (room, size, lang)

    async def handler(page: Annotated[Page, Depends()]):
        return page.given

    assert await call(handler, "/{room}", path={"room": "a"}) == ("a", 10, "en")


async def test_a_callable_object_is_a_dependency():
    class Checker:
        def __init__(self, wanted):
            self.wanted = wanted

        async def __call__(self, room: str):
            return room == self.wanted

    async def handler(a: Annotated[bool, Depends(Checker("x"))], b: Annotated[bool, Depends(Checker("y"))]):
        return a, b

    assert await call(handler, "/{room}", path={"room": "x"}) == (True, False)


async def test_a_plain_handler_with_dependencies_runs_in_the_pool():
    async def number():
        return 3

    def handler(n: Annotated[int, Depends(number)], *, body: bytes):
        return n, body, on_the_loop()

    assert await call(handler, body=b"x") == (3, b"x", False)


async def test_dependencies_with_yield_close_before_the_result_is_returned_the_last_first():
    log = []

    async def session():
        log.append("open session")
        yield "sql"
        log.append("close session")

    def transaction(sql: Annotated[str, Depends(session)]):
        log.append(f"begin in {sql}, on the loop: {on_the_loop()}")
        yield 5
        log.append(f"commit, on the loop: {on_the_loop()}")

    async def handler(n: Annotated[int, Depends(transaction)]):
        log.append("handle")
        return n

    pool = Pool()
    log.append(await call(handler, pool=pool))
    assert log == [
        "open session",
        "begin in sql, on the loop: False",
        "handle",
        "commit, on the loop: False",
        "close session",
        5,
    ]
    assert pool.ran == ["_open", "__exit__"]


async def test_the_end_of_a_blocking_dependency_has_a_pool_of_its_own_that_never_refuses():
    run, close = Pool(), Pool()

    def opened():
        yield 1

    async def handler(n: Annotated[int, Depends(opened)]):
        return n

    assert await bound(handler, pool=run, close_blocking=close).call(invocation()) == 1
    assert (run.ran, close.ran) == (["_open"], ["__exit__"])


async def test_what_a_thread_opens_after_its_message_was_given_up_is_closed():
    loop = asyncio.get_running_loop()
    opening, closed = asyncio.Event(), asyncio.Event()
    go_on = threading.Event()
    log = []

    def resource():
        loop.call_soon_threadsafe(opening.set)
        go_on.wait(10)
        try:
            yield "resource"
        except BaseException as error:
            log.append(type(error).__name__)
            raise
        finally:
            log.append("closed")
            loop.call_soon_threadsafe(closed.set)

    async def handler(it: Annotated[str, Depends(resource)]):
        log.append("handled")

    task = asyncio.create_task(call(handler))
    async with asyncio.timeout(10):
        await opening.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert log == []
        go_on.set()
        await closed.wait()
    assert log == ["StompedeError", "closed"]


async def test_an_exception_of_the_handler_is_thrown_into_what_is_open():
    log = []

    async def one():
        try:
            yield 1
        except ValueError as error:
            log.append(f"one: {error}")
            raise
        finally:
            log.append("one closed")

    def two(n: Annotated[int, Depends(one)]):
        try:
            yield n
        except ValueError as error:
            log.append(f"two: {error}")
            raise LookupError("instead") from error

    async def handler(n: Annotated[int, Depends(two)]):
        raise ValueError("a")

    with pytest.raises(LookupError, match="instead"):
        await call(handler)
    assert log == ["two: a", "one closed"]


async def test_a_dependency_that_fails_closes_those_before_it():
    log = []

    async def one():
        try:
            yield 1
        finally:
            log.append("closed")

    async def two(n: Annotated[int, Depends(one)]):
        raise Problem("not-found")

    async def handler(n: Annotated[int, Depends(two)]):
        raise AssertionError

    with pytest.raises(Problem, match="not-found"):
        await call(handler)
    assert log == ["closed"]


async def test_an_error_while_closing_is_not_lost():
    async def one():
        yield 1
        raise ConnectionError("commit failed")

    async def handler(n: Annotated[int, Depends(one)]):
        return n

    with pytest.raises(ConnectionError, match="commit failed"):
        await call(handler)


@pytest.mark.parametrize("blocking", [False, True])
async def test_a_dependency_that_swallows_the_exception_is_told_so(blocking):
    async def one():
        with suppress(ValueError):
            yield 1

    def two():
        with suppress(ValueError):
            yield 1

    async def handler(n: Annotated[int, Depends(two if blocking else one)]):
        raise ValueError

    with pytest.raises(
        StompedeError, match=r"handler handler\(\) at .* swallowed the exception; raise it again"
    ):
        await call(handler)


async def test_what_is_open_is_closed_when_the_handler_is_cancelled():
    log = []
    started = asyncio.Event()

    async def one():
        try:
            yield 1
        finally:
            log.append("one")

    def two():
        try:
            yield 1
        finally:
            log.append("two")

    async def handler(a: Annotated[int, Depends(one)], b: Annotated[int, Depends(two)]):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(handler))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert log == ["two", "one"]


async def test_nothing_is_opened_for_a_message_that_is_not_in_order():
    async def one():
        raise AssertionError
        yield

    async def handler(a: Annotated[int, Depends(one)], body: Say):
        raise AssertionError

    with pytest.raises(Problem, match="invalid-body"):
        await call(handler, body=b"{}")


async def test_overrides_replace_dependencies_while_they_last():
    async def real():
        return "real"

    async def fake(room: str):
        return f"fake in {room}"

    async def outer(x: Annotated[str, Depends(real)]):
        return f"outer {x}"

    async def handler(a: Annotated[str, Depends(outer)], b: Annotated[str, Depends(real)]):
        return a, b

    overrides = {}
    handler = bound(handler, "/{room}", overrides=lambda: overrides)
    one = invocation(path={"room": "x"})
    assert await handler.call(one) == ("outer real", "real")
    overrides[real] = fake
    assert await handler.call(one) == ("outer fake in x", "fake in x")
    overrides[outer] = real
    assert await handler.call(one) == ("real", "fake in x")
    overrides.clear()
    assert await handler.call(one) == ("outer real", "real")


async def test_a_handler_without_dependencies_does_not_ask_for_overrides():
    def never():
        raise AssertionError

    async def handler():
        return 1

    assert await bound(handler, overrides=never).call(invocation()) == 1
