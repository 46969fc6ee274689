import asyncio
import inspect
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Optional, TypedDict
from uuid import UUID

import future_handlers
import msgspec
import pytest
from fastapi import Depends, Header
from messaging_support import COOK, SESSION, Pool, bound, call, invocation, on_the_loop
from pydantic import BaseModel

from stompede._types import Principal
from stompede.messaging.binding import NO_BODY
from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.messaging.session import StompSession


class Say(msgspec.Struct):
    text: str


@dataclass
class Point:
    x: float


class Pong(TypedDict):
    n: int


class Order(BaseModel):
    id: int


async def test_body_path_and_principal_are_given_by_name_and_type():
    async def say(room: str, body: Say, who: Principal | None):
        return room, body, who

    given = {"body": b'{"text":"soup"}', "path": {"room": "kitchen"}}
    assert await call(say, "/rooms/{room}/say", **given, principal=COOK) == ("kitchen", Say("soup"), COOK)
    assert await call(say, "/rooms/{room}/say", **given) == ("kitchen", Say("soup"), None)


async def test_message_and_session_are_given_by_type():
    async def handler(m: Message, s: StompSession):
        return m, s

    one = invocation(b"x", headers={"a": "b"})
    assert await bound(handler).call(one) == (one.message, SESSION)


async def test_the_order_of_arguments_does_not_matter():
    async def handler(s: StompSession, who: Principal, n: int, body: bytes, room: str):
        return s, who, n, body, room

    result = await call(handler, "/{room}/{n}", body=b"x", path={"room": "a", "n": "2"}, principal=COOK)
    assert result == (SESSION, COOK, 2, b"x", "a")


async def test_positional_only_and_keyword_only_arguments_are_given_as_they_must_be():
    async def handler(room: str, /, body: bytes, *, who: Principal | None):
        return room, body, who

    def in_pool(room: str, /, body: bytes, *, who: Principal | None):
        return room, body, who

    for func in (handler, in_pool):
        assert await call(func, "/{room}", body=b"x", path={"room": "a"}) == ("a", b"x", None)


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (Say, b'{"text":"a"}', Say("a")),
        (Point, b'{"x":1.5}', Point(1.5)),
        (Pong, b'{"n":1}', {"n": 1}),
        (Order, b'{"id":3}', Order(id=3)),
        (list[Order], b'[{"id":3}]', [Order(id=3)]),
        (bytes, b"\x00", b"\x00"),
        (str, b"a", "a"),
        (dict[str, int], b'{"a":1}', {"a": 1}),
        (int, b"3", 3),
        (Any, b"[]", []),
    ],
)
async def test_a_body_may_have_any_type(annotation, body, value):
    async def handler(body):
        return body

    handler.__annotations__["body"] = annotation
    assert bound(handler).body_type == annotation
    assert await call(handler, body=body) == value


async def test_a_wrong_body_is_a_problem_before_the_handler_runs():
    async def handler(body: Say):
        raise AssertionError

    with pytest.raises(Problem) as caught:
        bound(handler).call(invocation(b'{"text":1}'))
    assert caught.value.code == "invalid-body"
    assert caught.value.detail == "Expected `str`, got `int` - at `$.text`"


async def test_a_body_with_a_default_may_be_empty():
    async def handler(body: Say | None = None):
        return body

    assert await call(handler) is None
    assert await call(handler, body=b'{"text":"a"}') == Say("a")
    with pytest.raises(Problem, match="invalid-body"):
        await call(handler, body=b"{}")


async def test_a_body_that_nobody_asks_for_is_not_looked_at():
    async def handler(room: str):
        return room

    assert bound(handler, "/{room}").body_type is NO_BODY
    assert await call(handler, "/{room}", body=b"\xff", path={"room": "a"}) == "a"


async def test_path_variables_are_converted_to_their_types():
    async def handler(n: int, ratio: float, on: bool, key: UUID, plain):
        return n, ratio, on, key, plain

    path = {"n": "7", "ratio": "0.5", "on": "true", "key": "12345678123456781234567812345678", "plain": "x"}
    result = await call(handler, "/{n}/{ratio}/{on}/{key}/{plain}", path=path)
    assert result == (7, 0.5, True, UUID("12345678123456781234567812345678"), "x")


async def test_a_path_variable_of_the_wrong_type_is_a_problem():
    async def handler(order_id: int):
        raise AssertionError

    with pytest.raises(Problem) as caught:
        await call(handler, "/orders/{order_id}", path={"order_id": "x"})
    assert caught.value.code == "invalid-path"
    assert caught.value.detail == "Expected `int`, got `str` - at `{order_id}`"


async def test_a_path_variable_need_not_be_asked_for():
    async def handler():
        return 1

    handler_of_two = bound(handler, "/{a}/{b}")
    assert dict(handler_of_two.path_types) == {"a": str, "b": str}
    assert await handler_of_two.call(invocation(path={"a": "1", "b": "2"})) == 1


@pytest.mark.parametrize("annotation", [Principal, Annotated[Principal, "the one who asks"]])
async def test_a_principal_that_must_be_there_is_a_problem_for_a_guest(annotation):
    async def handler(who):
        return who

    handler.__annotations__["who"] = annotation
    assert bound(handler).requires_login
    assert await call(handler, principal=COOK) == COOK
    with pytest.raises(Problem) as caught:
        await call(handler)
    assert caught.value.code == "login-required"


@pytest.mark.parametrize("annotation", [Principal | None, Optional[Principal]])  # noqa: UP045 - the older spelling
async def test_an_optional_principal_takes_guests(annotation):
    async def handler(who):
        return who

    handler.__annotations__["who"] = annotation
    assert not bound(handler).requires_login
    assert await call(handler) is None


async def test_a_guest_learns_nothing_about_the_body_of_what_is_for_members():
    async def handler(body: Say, who: Principal):
        raise AssertionError

    with pytest.raises(Problem, match="login-required"):
        await call(handler, body=b"{}")


async def test_headers_are_given():
    async def handler(lang: Annotated[str, Header("accept-language")], x_count: Annotated[int, Header()] = 3):
        return lang, x_count

    assert await call(handler, headers={"accept-language": "fi", "x-count": "5"}) == ("fi", 5)
    assert await call(handler, headers={"Accept-Language": "fi"}) == ("fi", 3)
    handler_bound = bound(handler)
    assert [(h.name, h.annotation, h.required) for h in handler_bound.headers] == [
        ("accept-language", str, True),
        ("x-count", int, False),
    ]


def test_the_coroutine_of_an_async_handler_is_its_own():
    async def say(room: str, body: Say, who: Principal | None):
        return room

    coroutine = bound(say, "/rooms/{room}").call(invocation(b'{"text":"a"}', path={"room": "x"}))
    assert coroutine.cr_code is say.__code__
    with pytest.raises(StopIteration, match="x"):
        coroutine.send(None)


async def test_a_plain_def_runs_in_the_pool():
    def ping(body: int, *, who: Principal | None):
        return body, on_the_loop()

    pool = Pool()
    handler = bound(ping, pool=pool)
    coroutine = handler.call(invocation(b"1"))
    assert inspect.iscoroutine(coroutine)
    assert await coroutine == (1, False)
    assert len(pool.ran) == 1


async def test_a_plain_def_runs_in_a_pool_that_is_a_coroutine_function():
    async def pool(func, *args):
        return await asyncio.to_thread(func, *args)

    def ping():
        return on_the_loop()

    assert await call(ping, pool=pool) is False


async def test_methods_partials_and_callable_objects_are_handlers_too():
    class Rooms:
        async def say(self, room: str):
            return self, room

        async def __call__(self, room: str):
            return room

    async def with_more(more: int, room: str):
        return more, room

    rooms = Rooms()
    assert await call(rooms.say, "/{room}", path={"room": "a"}) == (rooms, "a")
    assert await call(rooms, "/{room}", path={"room": "a"}) == "a"
    assert await call(partial(with_more, 3), "/{room}", path={"room": "a"}) == (3, "a")
    assert bound(rooms, "/{room}").name == "Rooms"


async def test_postponed_annotations_are_understood():
    result = await call(
        future_handlers.say,
        "/rooms/{room}/say",
        body=b'{"text":"soup"}',
        path={"room": "kitchen"},
        headers={"accept-language": "fi"},
    )
    assert result == "fi: guest in kitchen: soup (/app/x)"


def test_what_the_catalogue_needs_is_told():
    async def take(order_id: int, who: Principal, body: Order) -> Say | None:
        """Takes an order."""

    handler = bound(take, "/orders/{order_id}/{more}", publish="/topic/orders/{order_id}")
    assert handler.name == "take"
    assert handler.where.startswith("handler take() at test_binding.py:")
    assert str(handler.pattern) == "/orders/{order_id}/{more}"
    assert handler.publish is not None
    assert handler.publish.fill({"order_id": "7", "more": "x"}) == "/topic/orders/7"
    assert handler.body_type is Order
    assert handler.result_type == Say | None
    assert dict(handler.path_types) == {"order_id": int, "more": str}
    assert handler.requires_login
    assert handler.doc == "Takes an order."


async def test_a_subscribe_handler_is_called_with_path_and_principal():
    async def members(room: str, who: Principal | None, lang: Annotated[str, Header()] = "en"):
        return room, who, lang

    assert await call(members, "/rooms/{room}", kind="subscribe", path={"room": "a"}) == ("a", None, "en")


async def test_names_of_the_application_do_not_disturb_the_generated_code():
    async def handler(
        message: str,
        body: bytes,
        handler_1: Message,
        invocation_: StompSession,
        error: Annotated[str, Header()] = "",
    ):
        return message, body, error

    assert await call(handler, "/{message}", body=b"x", path={"message": "m"}) == ("m", b"x", "")

    async def hostile(decode: int, body_problem: str, run_blocking: Annotated[int, Depends(lambda: 4)]):
        return decode, body_problem, run_blocking

    path = {"decode": "1", "body_problem": "y"}
    assert await call(hostile, "/{decode}/{body_problem}", path=path) == (1, "y", 4)


async def test_an_exception_of_the_handler_passes_as_it_is():
    class RoomClosed(Exception):  # noqa: N818 - as in the documentation
        pass

    async def handler():
        raise RoomClosed("a")

    def in_pool():
        raise RoomClosed("b")

    for func in (handler, in_pool):
        with pytest.raises(RoomClosed):
            await call(func)
