"""What may be registered, and what is refused with a sentence instead of doing nothing."""

import socket
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypedDict

import pytest
from msgspec import Struct
from pydantic import BaseModel

from serving import make_app
from stompede import (
    Answer,
    Command,
    ConfigurationError,
    Conflate,
    DropOldest,
    RequestError,
    Stompede,
    StompSession,
    testing,
)
from stompede.messaging.problem import Problem


def never() -> bool:
    return False


@pytest.mark.parametrize("written", ["/app/commute", "/rider/commute"])
async def test_a_guard_of_one_prefix_guards_the_other_spellings_of_its_destination(written: str) -> None:
    app = make_app(app_prefixes=("/app", "/rider"))
    handled: list[bytes] = []

    @app.message("/commute")
    async def commute(body: bytes) -> None:
        handled.append(body)

    app.guard(written)(never)
    async with testing.connect(app) as client:
        for destination in ("/app/commute", "/rider/commute"):
            with pytest.raises(RequestError) as refused:
                await client.send(destination, b"x")
            assert refused.value.code == "forbidden"
    assert handled == []


@pytest.mark.parametrize("pattern", ["/rooms/{room}", "/Topic/a", "topic/a", "/topics/a"])
def test_a_guard_whose_pattern_names_no_destination_is_refused(pattern: str) -> None:
    app = make_app(app_prefixes=("/app", "/rider"))
    with pytest.raises(ConfigurationError) as refused:
        app.guard(pattern)(never)
    sentence = str(refused.value)
    assert sentence.startswith("guard never() at test_registration.py:")
    assert f'pattern "{pattern}" names no destination; begin it with one of /app, /rider, /topic' in sentence


def handle(body: bytes) -> None: ...


def intercept(command: Command, session: StompSession) -> Command | Answer | None: ...


def log_in(login: str, passcode: str) -> None: ...


REGISTRATIONS: dict[str, Callable[[Stompede], object]] = {
    "guard": lambda app: app.guard("/topic/late")(never),
    "message": lambda app: app.message("/late")(handle),
    "subscribe": lambda app: app.subscribe("/late")(lambda: None),
    "interceptor": lambda app: app.intercept(intercept),
    "error handler": lambda app: app.on_error(KeyError)(lambda error: Problem("x")),
    "listener": lambda app: app.on_session_start(lambda session: None),
    "authenticate": lambda app: app.authenticate(log_in),
    "destination": lambda app: app.destination("/topic/late", slow=Conflate()),
}


@pytest.mark.parametrize("register", REGISTRATIONS.values(), ids=REGISTRATIONS.keys())
async def test_nothing_is_registered_while_the_application_runs(
    register: Callable[[Stompede], object],
) -> None:
    app = make_app()
    async with app.running():
        with pytest.raises(ConfigurationError, match="runs already; register everything before it starts"):
            register(app)


@pytest.mark.parametrize("slow", [Conflate, "conflate", 1])
def test_a_policy_that_is_none_is_refused(slow: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"is no policy; write Cut\(\), DropOldest\(\) or Conflate\(\)"
    ):
        make_app().destination("/topic/positions", slow=slow)


@pytest.mark.parametrize("decorator", ["message", "subscribe", "guard"])
def test_a_decorator_without_its_parentheses_is_refused(decorator: str) -> None:
    app = make_app()
    with pytest.raises(ConfigurationError, match=f'write @app.{decorator}\\("/.*/{{room}}.*"\\) above'):
        getattr(app, decorator)(handle)


def test_on_error_without_its_parentheses_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"write @app.on_error\(ValueError\) above the function"):
        make_app().on_error(lambda error: Problem("x"))  # type: ignore[arg-type,type-var]  # what it refuses


class Place:
    def __init__(self, body: bytes) -> None: ...


def returns_socket(body: bytes) -> socket.socket: ...


def returns_none(body: bytes) -> None: ...


def is_on(room: str) -> bool:
    return True


WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "a handler with the application prefix": (
        lambda app: app.message("/app/a")(handle),
        'begins behind the prefix; write @app.message("/a")',
    ),
    "a handler of a topic": (
        lambda app: app.message("/topic/a")(handle),
        'that is a topic: publish="/topic/a"',
    ),
    "an answer on a topic": (
        lambda app: app.subscribe("/topic/a")(never),
        "clients subscribe to it without a handler",
    ),
    "a class as a handler": (lambda app: app.message("/a")(Place), "Place is a class"),
    "a number as a handler": (lambda app: app.message("/a")(3), "@app.message takes a function, not 3"),
    "a result that is no JSON": (
        lambda app: app.message("/a")(returns_socket),
        "it returns socket, of which no JSON",
    ),
    "an answer that is no JSON": (
        lambda app: app.subscribe("/a")(lambda: None) and app.subscribe("/b")(returns_nothing_of_json),
        "it returns socket, of which no JSON",
    ),
    "nothing to publish": (
        lambda app: app.message("/a", publish="/topic/a")(returns_none),
        "it returns None, so nothing would ever go to publish='/topic/a'",
    ),
    "a guard of None": (lambda app: app.guard("/topic/{room}", on=None)(is_on), "on=None is no operation"),
    "a login of one argument": (lambda app: app.authenticate(lambda login: None), "takes (login, passcode)"),
    "a number that proves logins": (
        lambda app: app.authenticate(3),
        "@app.authenticate takes a function, not 3",
    ),
    "a number that intercepts": (lambda app: app.intercept(3), "@app.intercept takes a function, not 3"),
    "a number that listens": (
        lambda app: app.on_session_end(3),
        "@app.on_session_end takes a function, not 3",
    ),
    "a number as history": (lambda app: app.destination("/topic/a", history=3), "history=3 is no history"),
    "a number as queue": (lambda app: app.destination("/queue/a", queue=3), "queue=3 says no bounds"),
}


class Model(BaseModel):
    name: str


class Stranger: ...


class Holder(Struct):
    stranger: Stranger


@dataclass
class Data:
    holders: list[Holder]


class Typed(TypedDict):
    stranger: Stranger


STRANGE = (list[Stranger], dict[str, Stranger], Holder, Data, Typed, Stranger | None, int | list[Holder])
FAMILIAR = (
    Any, object, list[Any], dict[int, str], set[int], Iterable[int], OrderedDict[str, int], Sequence[Model],
    bytes | None, list[Model], tuple[int, ...], Hashable,
)  # fmt: skip


def returns_nothing_of_json() -> socket.socket: ...


@pytest.mark.parametrize("result", STRANGE)
def test_a_result_that_holds_what_no_json_can_be_made_of_is_refused_however_deep_it_is(result: Any) -> None:
    def ask() -> None: ...

    ask.__annotations__["return"] = result
    app = make_app()
    for register in (app.message("/a"), app.subscribe("/a")):
        with pytest.raises(ConfigurationError, match=r"returns .*Stranger.*, of which no JSON can be made"):
            register(ask)


@pytest.mark.parametrize("result", FAMILIAR)
def test_a_result_of_which_json_can_be_made_is_taken(result: Any) -> None:
    def ask() -> None: ...

    ask.__annotations__["return"] = result
    make_app().message("/a")(ask)


@pytest.mark.parametrize(("register", "sentence"), WRONG.values(), ids=WRONG.keys())
def test_what_could_never_work_is_refused_with_a_sentence(
    register: Callable[[Any], object], sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        register(make_app())
    assert sentence in str(refused.value)


def test_a_login_may_ask_for_the_address_and_a_handler_may_be_any_callable() -> None:
    app = make_app()
    app.authenticate(lambda login, passcode, client_address: None)
    app.message("/user/{name}")(lambda name: None)
    app.message("/a")(partial(handle))


def test_a_destination_is_said_once_and_its_options_do_not_depend_on_an_order() -> None:
    app = make_app()
    app.destination("/topic/{a}/x", slow=Conflate())
    app.destination("/topic/b/x", slow=DropOldest())
    with pytest.raises(ConfigurationError, match=r"is taken already by app.destination\('/topic/b/x'\)"):
        app.destination("/topic/b/x", slow=Conflate())
    with pytest.raises(ConfigurationError, match=r"both match .*neither is more specific"):
        app.destination("/topic/b/{c}", slow=DropOldest())
    app.destination("/topic/b/{c}", slow=Conflate())


def gone(session: StompSession) -> None: ...


@pytest.mark.parametrize("listener", [gone, partial(gone), partial(partial(gone))])
def test_a_listener_of_the_wrong_arity_is_refused_also_as_a_partial(listener: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_app().on_session_end(listener)
    sentence = str(refused.value)
    assert sentence.startswith("gone() at test_registration.py:")
    assert sentence.endswith("a listener of session-end takes (session, why)")
