"""What an application is told at its start when a signature cannot work."""

import importlib.util
import sys
from typing import Annotated, Literal

import future_handlers
import msgspec
import pytest
from fastapi import Body, Depends, Header, Path, Query, Request, Response, Security, WebSocket
from fastapi.security import SecurityScopes
from messaging_support import bound

from stompede._types import Principal
from stompede.errors import ConfigurationError
from stompede.messaging.arguments import Source, read_arguments
from stompede.messaging.message import Message
from stompede.messaging.session import StompSession

CHAT = """\
# chat.py
from msgspec import Struct
from messaging_support import bound

class Say(Struct):
    text: str

class Said(Struct):
    who: str
    text: str

def message(pattern, publish): return lambda func: bound(func, pattern, publish=publish)

@message("/rooms/{room}/say", publish="/topic/rooms/{rooom}")
async def say(room: str, body: Say) -> Said:
    return Said("guest", body.text)
"""


class Say(msgspec.Struct):
    text: str


class Strange:
    pass


def refusal(func, pattern="/rooms/{room}/say", **options):
    """The sentence of the error, behind the name of the handler."""
    with pytest.raises(ConfigurationError) as caught:
        bound(func, pattern, **options)
    where, _, sentence = str(caught.value).partition(": ")
    assert where.startswith(f"handler {func.__name__}() at test_arguments.py:")
    return sentence


def test_the_error_of_the_documentation_word_by_word(tmp_path):
    (tmp_path / "chat.py").write_text(CHAT)
    spec = importlib.util.spec_from_file_location("chat", tmp_path / "chat.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["chat"] = module
    try:
        with pytest.raises(ConfigurationError) as caught:
            spec.loader.exec_module(module)
    finally:
        del sys.modules["chat"]
    assert str(caught.value) == (
        "handler say() at chat.py:15: path variable {rooom} of publish= is no argument; did you mean {room}?"
    )


def test_a_publish_variable_that_resembles_none_says_where_it_must_stand():
    async def say(room: str): ...

    assert refusal(say, publish="/topic/{elsewhere}") == (
        "path variable {elsewhere} of publish= is no argument; "
        'its variables must stand in the pattern "/rooms/{room}/say" as well'
    )


def test_two_arguments_that_could_be_the_body():
    async def say(first: Say, second: list[int]): ...

    assert refusal(say) == (
        "first: Say and second: list[int] could each be the body, and a message has one; join them in one Struct, "
        "or make one a path variable, Header or Depends"
    )


def test_what_is_ours_stands_alone_in_an_annotation():
    async def say(session: StompSession | None, body: Say): ...
    async def say2(message: Message | bytes): ...
    async def say3(who: Principal | str, body: Say): ...

    assert refusal(say) == (
        "argument session: stompede.messaging.session.StompSession | None is nothing to fill; annotate it StompSession "
        "alone: there always is one"
    )
    assert refusal(say2).endswith("annotate it Message alone: there always is one")
    assert refusal(say3).endswith("annotate it Principal, or Principal | None where guests may come")


def test_a_misspelled_path_variable_beside_a_body():
    async def say(rooom: str, body: Say): ...

    assert refusal(say) == "argument rooom is no path variable of its pattern; did you mean {room}?"


def test_a_misspelled_path_variable_is_not_silently_the_body():
    async def say(rooms: str): ...

    assert refusal(say) == "argument rooms is no path variable of its pattern; did you mean {room}?"


def test_a_body_may_resemble_a_path_variable_that_is_asked_for():
    async def say(room: str, rooms: str): ...

    assert bound(say, "/rooms/{room}").body_type is str


def test_an_argument_without_annotation_that_is_no_path_variable():
    async def say(body): ...
    async def say2(rom): ...

    assert refusal(say) == (
        "argument body is no path variable and has no annotation; annotate it with the type of the body, e.g. bytes"
    )
    assert refusal(say2) == "argument rom is no path variable and has no annotation; did you mean {room}?"


def test_a_body_of_a_type_that_cannot_be_read():
    async def say(body: Strange): ...

    assert refusal(say) == (
        "argument body: Strange cannot be read from JSON; "
        "use a Struct, dataclass, TypedDict, pydantic model, bytes, str or builtins"
    )


@pytest.mark.parametrize("annotation", [Say, list[int], dict, bytes, Strange, str | list[int]])
def test_a_path_variable_of_a_type_that_no_segment_has(annotation):
    async def say(room): ...

    say.__annotations__["room"] = annotation
    sentence = refusal(say)
    assert sentence.startswith("path variable {room} is one segment of text and cannot have the type ")
    assert sentence.endswith(
        "use str, int, float, bool, UUID, an Enum or a Literal, or rename the argument if it is the body"
    )


def test_a_path_variable_with_a_default():
    async def say(room: str = "kitchen"): ...

    assert refusal(say) == "path variable {room} always has a value; take its default away"


@pytest.mark.parametrize(
    ("annotation", "what"),
    [
        (Principal, "the type Principal"),
        (Message, "the type Message"),
        (StompSession, "the type StompSession"),
        (Annotated[str, Header()], "a marker"),
        (Annotated[str, Depends(print)], "a marker"),
    ],
)
def test_a_name_that_is_a_path_variable_and_something_else(annotation, what):
    async def say(room): ...

    say.__annotations__["room"] = annotation
    assert (
        refusal(say) == f"argument room is a path variable of its pattern and has {what}; rename one of them"
    )


def test_star_arguments():
    async def say(*args: int): ...
    async def say2(**more: int): ...

    assert refusal(say) == "*args says nothing about what to give it; name each argument"
    assert refusal(say2) == "**more says nothing about what to give it; name each argument"


def test_two_markers():
    async def say(x: Annotated[str, Header(), Depends(print)]): ...
    async def say2(x: Annotated[str, Header()] = Depends(print)): ...

    assert refusal(say) == "argument x has 2 markers; keep one"
    assert refusal(say2) == "argument x has 2 markers; keep one"


@pytest.mark.parametrize(
    ("annotation", "sentence"),
    [
        (Annotated[str, Query()], "Query() belongs to HTTP; a message has no such part"),
        (
            Annotated[str, Path()],
            "Path() belongs to HTTP; a name in the pattern is a path variable by itself",
        ),
        (
            Annotated[Say, Body()],
            "Body() belongs to HTTP; the one argument without a marker is the body by itself",
        ),
        (
            Annotated[str, Security(print)],
            "Security reads HTTP requests; ask for Principal, and put what it may do into a guard",
        ),
        (Annotated[str, Depends(3)], "Depends() needs a function or class: Depends(get_it)"),
        (
            Annotated[str, Depends(print, max_concurrency=2)],
            "Depends(max_concurrency=...) is not supported for messages",
        ),
        (
            Request,
            "Request belongs to HTTP and a message has none; ask for Message, StompSession or Principal instead",
        ),
        (Response, "Response belongs to HTTP"),
        (WebSocket, "WebSocket belongs to HTTP"),
        (SecurityScopes, "SecurityScopes belongs to HTTP"),
    ],
)
def test_what_belongs_to_http(annotation, sentence):
    async def say(x): ...

    say.__annotations__["x"] = annotation
    assert refusal(say).startswith(f"argument x: {sentence}")


def test_a_subscribe_handler_with_a_body():
    async def members(room: str, body: Say): ...

    assert refusal(members, kind="subscribe") == (
        "argument body is no path variable, has no marker (Depends, Header) and no type of ours "
        "(Message, StompSession, Principal), and a SUBSCRIBE has no body"
    )


def test_a_dependency_with_a_body_or_of_http_names_itself_and_its_handler():
    async def get(text: Say): ...
    async def get2(request: Request): ...
    async def get3(rooom: str): ...

    async def say(x: Annotated[str, Depends(get)]): ...
    async def say2(x: Annotated[str, Depends(get2)]): ...
    async def say3(x: Annotated[str, Depends(get3)]): ...

    def refused(func):
        with pytest.raises(ConfigurationError) as caught:
            bound(func, "/rooms/{room}")
        return str(caught.value)

    sentence = refused(say)
    assert sentence.startswith("dependency get() at test_arguments.py:")
    assert " of handler say() at test_arguments.py:" in sentence
    assert sentence.endswith(
        "a dependency gets no body, only the handler does; ask for Message and read its body"
    )
    assert "argument request: Request belongs to HTTP and a message has none" in refused(say2)
    assert refused(say3).endswith("did you mean {room}?")


def test_dependencies_in_a_circle():
    async def one(x: str): ...
    async def two(x: Annotated[str, Depends(one)]): ...

    one.__annotations__["x"] = Annotated[str, Depends(two)]

    async def say(x: Annotated[str, Depends(one)]): ...

    with pytest.raises(
        ConfigurationError, match=r"dependency one\(\) .*: it depends on itself; break the circle"
    ):
        bound(say)


def test_a_handler_that_yields():
    async def say():
        yield 1

    def say2():
        yield 1

    for func in (say, say2):
        assert refusal(func) == "it yields; return one value, or publish several with app.publish()"


def test_an_annotation_that_the_module_does_not_know():
    for func, name in [(future_handlers.local_handler(), "Local"), (future_handlers.priced, "Decimal")]:
        with pytest.raises(ConfigurationError) as caught:
            bound(func)
        assert str(caught.value).endswith(
            f": the annotation `{name}` is not known in module future_handlers; define or import it at the top level "
            "of that module, not inside a function nor under TYPE_CHECKING"
        )


def test_an_annotation_that_is_no_type():
    async def say(body: "not a type"): ...  # noqa: F722 - what is tested

    assert refusal(say).startswith("its annotations cannot be read: ")


def test_a_malformed_pattern_names_the_handler():
    async def say(room: str): ...

    assert refusal(say, "rooms/{room}").startswith('pattern "rooms/{room}": it must begin with a slash')
    assert refusal(say, publish="/topic/").startswith('pattern "/topic/": it has an empty segment')


def test_a_class_without_a_signature_names_itself():
    async def say(x: Annotated[str, Depends(type)]): ...

    with pytest.raises(
        ConfigurationError, match=r"dependency type of builtins of handler say.*cannot be read"
    ):
        bound(say)


def test_where_may_be_said_by_the_application():
    async def say(body): ...

    with pytest.raises(ConfigurationError, match=r"^handler elsewhere: argument body"):
        bound(say, where="handler elsewhere")


def test_arguments_are_read_with_their_sources():
    async def say(
        room: Literal["a", "b"], who: Principal | None, me: Principal, body: Say, m: Message, s: StompSession
    ): ...

    arguments, result = read_arguments(say, role="message", where="x", variables=("room",))
    assert [a.source for a in arguments] == [
        Source.PATH,
        Source.PRINCIPAL,
        Source.MEMBER,
        Source.BODY,
        Source.MESSAGE,
        Source.SESSION,
    ]
    assert result is not None
