import asyncio
import inspect
from typing import Annotated

import pytest
from fastapi import Depends, Header
from messaging_support import COOK, Pool, invocation, on_the_loop

from stompede._types import Principal
from stompede.errors import ConfigurationError
from stompede.messaging.guards import Guards
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.messaging.session import StompSession


def yes() -> bool:
    return True


def no() -> bool:
    return False


async def slow_yes() -> bool:
    return True


async def slow_no() -> bool:
    return False


def guards_of(*entries, **options):
    guards = Guards(**options)
    for pattern, func, *on in entries:
        guards.add(pattern, func, **({"on": on[0]} if on else {}))
    return guards


async def allowed(guards, operation, destination, **given):
    try:
        waits = guards.check(operation, invocation(destination=destination, **given))
        if waits is not None:
            await waits
    except Problem as problem:
        return problem.code
    return True


async def test_what_no_guard_names_is_open():
    guards = guards_of(("/topic/rooms/{room}", no))
    assert not guards.guarded("/topic/other")
    assert guards.gate("/topic/other") is None
    assert await allowed(guards, "send", "/topic/other") is True
    assert await allowed(Guards(), "send", "/topic/other") is True
    assert not Guards()
    assert not Guards().guarded("/topic/x")


async def test_a_guard_decides():
    guards = guards_of(("/topic/a", yes), ("/topic/b", no))
    assert guards.guarded("/topic/a")
    assert await allowed(guards, "subscribe", "/topic/a") is True
    assert await allowed(guards, "subscribe", "/topic/b") == "forbidden"


async def test_what_no_guard_of_a_guarded_name_allows_is_denied():
    guards = guards_of(("/topic/rooms/{room}", yes, "subscribe"))
    assert await allowed(guards, "subscribe", "/topic/rooms/1") is True
    assert await allowed(guards, "send", "/topic/rooms/1") == "forbidden"


@pytest.mark.parametrize(
    "others", [(yes, no), (no, yes), (slow_no, yes), (slow_yes, no), (yes, slow_no), (no, slow_yes)]
)
async def test_every_guard_that_matches_must_agree(others):
    general, special = others
    guards = guards_of(
        ("/topic/{kind}/{id}", general), ("/topic/rooms/{id}", special), ("/topic/rooms/1", yes)
    )
    assert await allowed(guards, "send", "/topic/rooms/1") == "forbidden"


async def test_all_that_agree_let_it_pass():
    guards = guards_of(
        ("/topic/{kind}/{id}", slow_yes), ("/topic/rooms/{id}", yes), ("/topic/rooms/1", slow_yes)
    )
    assert await allowed(guards, "send", "/topic/rooms/1") is True


async def test_each_guard_gets_its_own_path_variables_and_what_else_it_asks_for():
    seen = []

    def by_kind(kind: str, s: StompSession, m: Message, lang: Annotated[str, Header()] = "en") -> bool:
        seen.append((kind, s.id, m.body, lang))
        return True

    async def by_id(number: int, who: Principal | None) -> bool:
        seen.append((number, who))
        return True

    guards = guards_of(("/topic/{kind}/7", by_kind), ("/topic/rooms/{number}", by_id))
    assert (
        await allowed(guards, "send", "/topic/rooms/7", body=b"x", principal=COOK, headers={"lang": "fi"})
        is True
    )
    assert seen == [(7, COOK), ("rooms", "s-1", b"x", "fi")]


async def test_a_guard_that_wants_a_member_sends_guests_to_the_login():
    def may_enter(room: str, who: Principal) -> bool:
        return who.name == room

    guards = guards_of(("/topic/rooms/{room}", may_enter))
    assert await allowed(guards, "subscribe", "/topic/rooms/cook") == "login-required"
    assert await allowed(guards, "subscribe", "/topic/rooms/cook", principal=COOK) is True
    assert await allowed(guards, "subscribe", "/topic/rooms/waiter", principal=COOK) == "forbidden"


async def test_a_path_variable_of_the_wrong_type_is_refused():
    def may_enter(room: int) -> bool:
        return True

    assert await allowed(guards_of(("/topic/{room}", may_enter)), "subscribe", "/topic/x") == "invalid-path"


async def test_a_guard_may_refuse_with_a_problem_of_its_own():
    def closed() -> bool:
        raise Problem("room-closed")

    assert await allowed(guards_of(("/topic/a", closed)), "subscribe", "/topic/a") == "room-closed"


async def test_a_guard_that_forgets_to_await_lets_nobody_pass():
    guards = guards_of(
        ("/topic/a", lambda: slow_no()), ("/topic/b", slow_yes), ("/topic/b", lambda: slow_no())
    )
    with pytest.raises(TypeError, match="is no async def and returned coroutine; await it there"):
        await allowed(guards, "subscribe", "/topic/a")
    with pytest.raises(TypeError, match="await it there"):
        await allowed(guards, "subscribe", "/topic/b")


async def test_an_async_guard_that_forgets_to_await_lets_nobody_pass():
    async def forgot(who: Principal | None):
        return slow_no()

    async def forgot_a_future() -> bool:
        future = asyncio.get_running_loop().create_future()
        future.set_result(False)
        return future

    for entries in (
        [("/topic/a", forgot)],
        [("/topic/a", forgot_a_future)],
        [("/topic/a", yes), ("/topic/a", slow_yes), ("/topic/a", forgot)],
    ):
        with pytest.raises(TypeError, match=r"forgot.* returned (coroutine|Future); await it there"):
            await allowed(guards_of(*entries), "send", "/topic/a")


async def test_a_guard_that_forgets_to_return_denies():
    def forgot(): ...
    async def forgot_slowly(): ...

    assert await allowed(guards_of(("/topic/a", forgot)), "subscribe", "/topic/a") == "forbidden"
    assert await allowed(guards_of(("/topic/a", forgot_slowly)), "subscribe", "/topic/a") == "forbidden"


@pytest.mark.parametrize(
    "destination", ["/topic/rooms/*", "/topic/rooms/**", "/topic/rooms/>", "/topic/rooms/#"]
)
async def test_a_wildcard_does_not_pass_beside_a_guard(destination):
    guards = guards_of(("/topic/rooms/{room}", yes))
    assert guards.guarded(destination)
    assert await allowed(guards, "subscribe", destination) == "forbidden"


async def test_plain_guards_answer_at_once_on_the_loop():
    def here() -> bool:
        return on_the_loop()

    gate = guards_of(("/topic/a", here)).gate("/topic/a")
    assert gate.check("send", invocation()) is None


async def test_async_guards_answer_with_an_awaitable():
    gate = guards_of(("/topic/a", slow_yes)).gate("/topic/a")
    waits = gate.check("send", invocation())
    assert inspect.isawaitable(waits)
    assert await waits is None


async def test_guards_may_have_dependencies_where_there_is_a_pool():
    def wanted():
        return COOK if not on_the_loop() else None

    def is_wanted(who: Principal | None, it: Annotated[Principal, Depends(wanted)]) -> bool:
        return who == it and on_the_loop()

    async def is_wanted_too(who: Principal | None, it: Annotated[Principal, Depends(wanted)]) -> bool:
        return who == it

    guards = guards_of(("/topic/a", is_wanted), ("/topic/a", is_wanted_too), run_blocking=Pool())
    assert await allowed(guards, "send", "/topic/a", principal=COOK) is True
    assert await allowed(guards, "send", "/topic/a") == "forbidden"
    with pytest.raises(ConfigurationError, match=r"argument it: Depends\(\) is not supported here"):
        guards_of(("/topic/a", is_wanted))


@pytest.mark.parametrize(
    ("on", "sentence"),
    [
        ("subscripe", 'on="subscripe" is no operation; did you mean "subscribe"?'),
        ("x", 'on="x" is no operation; there are "subscribe" and "send"'),
        ((), 'on= is empty; name "subscribe", "send" or both'),
    ],
)
def test_an_unknown_operation_is_refused(on, sentence):
    with pytest.raises(ConfigurationError) as caught:
        guards_of(("/topic/a", yes, on))
    assert str(caught.value).endswith(sentence)


def test_a_guard_that_cannot_work_is_refused():
    def with_body(text: str) -> bool:
        return True

    def says_text(room: str) -> str:
        return "yes"

    with pytest.raises(
        ConfigurationError, match=r"^guard with_body\(\) at .*: argument text .*a guard sees no body$"
    ):
        guards_of(("/topic/{room}", with_body))
    with pytest.raises(ConfigurationError, match="a guard returns bool: True lets it pass, False denies it"):
        guards_of(("/topic/{room}", says_text))


def test_guards_are_listed_for_the_catalogue():
    guards = guards_of(("/topic/a", yes), ("/topic/{b}", no, "send"))
    assert [(str(guard.pattern), guard.on) for guard in guards] == [
        ("/topic/a", ("subscribe", "send")),
        ("/topic/{b}", ("send",)),
    ]


@pytest.mark.parametrize("said", ["no", {"allowed": False}, 1])
async def test_a_guard_says_true_or_false_and_nothing_that_python_takes_for_it(said):
    def at_once():
        return said

    async def later():
        return said

    for guard in (at_once, later):
        guards = guards_of(("/topic/a", guard))
        with pytest.raises(TypeError, match="a guard says True or False"):
            await allowed(guards, "subscribe", "/topic/a")
