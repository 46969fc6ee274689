from typing import Annotated

import pytest
from fastapi import Header
from messaging_support import bound, call

from stompede.errors import ConfigurationError
from stompede.messaging.headers import find_header
from stompede.messaging.problem import Problem


def test_the_exact_name_comes_before_one_in_another_case():
    assert find_header({"Lang": "a", "lang": "b"}, "lang") == "b"
    assert find_header({"Lang": "a"}, "lang") == "a"
    assert find_header({"lang": "a"}, "LANG") == "a"
    assert find_header({"other": "a"}, "lang") is None
    assert find_header({}, "lang") is None


async def test_the_name_is_the_argument_s_with_hyphens_or_as_the_marker_says():
    async def handler(
        x_one: Annotated[str, Header()],
        x_two: Annotated[str, Header(convert_underscores=False)],
        three: Annotated[str, Header(alias="x-three")],
        four: Annotated[str, Header("x-four")],
        five: str = Header(alias="x-five"),
    ):
        return x_one, x_two, three, four, five

    headers = {"x-one": "1", "x_two": "2", "x-three": "3", "x-four": "4", "x-five": "5"}
    assert await call(handler, headers=headers) == ("1", "2", "3", "4", "5")


async def test_defaults_stand_behind_the_argument_or_in_a_marker_that_is_the_default():
    async def handler(
        a: Annotated[str | None, Header()] = None,
        b: Annotated[str, Header("x-b")] = "b",
        c: str = Header("c"),
        d: str = Header(default_factory=lambda: "d"),
    ):
        return a, b, c, d

    assert await call(handler) == (None, "b", "c", "d")
    assert await call(handler, headers={"a": "1", "x-b": "2", "c": "3", "d": "4"}) == ("1", "2", "3", "4")


async def test_a_missing_header_is_a_problem():
    async def handler(lang: Annotated[str, Header("accept-language")]): ...

    with pytest.raises(Problem) as caught:
        await call(handler)
    assert caught.value.code == "invalid-header"
    assert caught.value.detail == "The header `accept-language` is missing."


async def test_types_and_constraints_are_checked():
    async def handler(
        n: Annotated[int, Header(ge=1)], code: Annotated[str, Header(pattern="^[a-z]+$")] = "a"
    ):
        return n, code

    assert await call(handler, headers={"n": "3", "code": "x"}) == (3, "x")
    with pytest.raises(Problem) as caught:
        await call(handler, headers={"n": "0"})
    assert caught.value.code == "invalid-header"
    assert caught.value.detail == "Input should be greater than or equal to 1 - at header `n`"
    with pytest.raises(Problem, match="unable to parse string as an integer - at header `n`"):
        await call(handler, headers={"n": "x"})
    with pytest.raises(Problem, match="should match pattern"):
        await call(handler, headers={"n": "1", "code": "X"})


async def test_the_content_type_is_a_header_too():
    async def handler(content_type: Annotated[str, Header()] = "none"):
        return content_type

    assert await call(handler, content_type="text/plain") == "text/plain"
    assert await call(handler) == "none"


async def test_a_header_without_annotation_is_text():
    async def handler(lang=Header()):  # noqa: B008 - as FastAPI has it
        return lang

    assert await call(handler, headers={"lang": "fi"}) == "fi"


def refusal(func):
    with pytest.raises(ConfigurationError) as caught:
        bound(func)
    return str(caught.value).partition(": ")[2]


@pytest.mark.parametrize(
    "name", ["authorization", "Authorization", "login", "passcode", "receipt", "transaction"]
)
def test_headers_that_handlers_never_see(name):
    async def handler(x: str = Header(alias=name)): ...

    assert (
        refusal(handler)
        == f"argument x: the header {name} never reaches a handler; ask for Principal instead"
    )


def test_the_destination_is_no_header():
    async def handler(destination: Annotated[str, Header()]): ...

    assert refusal(handler) == "argument destination: ask for Message and read its destination"


def test_a_header_has_one_value():
    async def handler(x: Annotated[list[str], Header()]): ...

    assert refusal(handler) == (
        "argument x: a STOMP header has one value, not a list[str]; annotate it str and split it"
    )


def test_a_type_that_no_header_has():
    class Strange:
        pass

    async def handler(x: Annotated[Strange, Header()]): ...

    assert refusal(handler).startswith("argument x: no header can be a Strange: ")


def test_a_default_inside_of_annotated_is_taken_for_a_name_and_anything_else_refused():
    async def handler(x: Annotated[int, Header(3)]): ...
    async def handler2(x: Annotated[str, Header("x-name", alias="x-other")]): ...

    assert refusal(handler) == (
        "argument x: inside Annotated, Header() takes the header's name; "
        "write the default behind the argument: x: ... = 3"
    )
    assert "inside Annotated, Header() takes the header's name" in refusal(handler2)
