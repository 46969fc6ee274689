"""What may be registered, and what is refused with a sentence instead of doing nothing."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from serving import make_app
from stompede import (
    Answer,
    Command,
    ConfigurationError,
    Conflate,
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


@pytest.mark.parametrize("decorator", ["message", "subscribe"])
def test_a_decorator_without_its_parentheses_is_refused(decorator: str) -> None:
    with pytest.raises(ConfigurationError, match=f'write @app.{decorator}\\("/rooms/{{room}}/say"\\) above'):
        getattr(make_app(), decorator)(handle)


def gone(session: StompSession) -> None: ...


@pytest.mark.parametrize("listener", [gone, partial(gone), partial(partial(gone))])
def test_a_listener_of_the_wrong_arity_is_refused_also_as_a_partial(listener: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError) as refused:
        make_app().on_session_end(listener)
    sentence = str(refused.value)
    assert sentence.startswith("gone() at test_registration.py:")
    assert sentence.endswith("a listener of session-end takes (session, why)")
