"""The forms in which things are registered, and a sentence for the forms that would do nothing, or something else."""

from __future__ import annotations

import inspect
from typing import Any, Final

from stompede.errors import ConfigurationError
from stompede.messaging._naming import describe
from stompede.messaging.binding import BoundHandler
from stompede.messaging.codecs import type_name, unwritable
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.schemas import members
from stompede.server.fanout.policies import SlowPolicy
from stompede.store import History, Queue

_EXAMPLES: Final = {
    "message": "/rooms/{room}/say",
    "subscribe": "/rooms/{room}/say",
    "guard": "/topic/rooms/{room}",
}


def needs_pattern(decorator: str, pattern: object) -> None:
    """Without parentheses the function itself would be the pattern, and nothing would be registered.

    Raises:
        ConfigurationError: the pattern is no text.
    """
    if not isinstance(pattern, str):
        raise ConfigurationError(
            f'@app.{decorator} takes a pattern: write @app.{decorator}("{_EXAMPLES[decorator]}") above the function'
        )


def needs_relative(decorator: str, pattern: str, prefixes: Prefixes) -> None:
    """A handler's pattern is what follows the application prefix.

    Raises:
        ConfigurationError: it begins with a prefix itself.
    """
    needs_pattern(decorator, pattern)
    kind = prefixes.classify(pattern)
    where = f"@app.{decorator}({pattern!r})"
    if kind is Kind.APP:
        raise ConfigurationError(
            f"{where}: a handler's pattern begins behind the prefix; "
            f'write @app.{decorator}("{prefixes.relative(pattern)}")'
        )
    if kind in (Kind.TOPIC, Kind.QUEUE, Kind.TEMP):
        meant = (
            f'publish="{pattern}" sends results there'
            if decorator == "message"
            else "clients subscribe to it without a handler"
        )
        raise ConfigurationError(
            f"{where}: handlers serve what follows {prefixes.app[0]}, and that is a {kind.value}: {meant}, and "
            "@app.guard says who may use it"
        )


def check_publish(handler: BoundHandler, publish: str, prefixes: Prefixes) -> None:
    """Holds ``publish=`` to where results can go, and the handler to having one.

    Raises:
        ConfigurationError: nothing can ever be published.
    """
    if prefixes.classify(publish) not in (Kind.TOPIC, Kind.QUEUE):
        raise ConfigurationError(
            f"{handler.where}: publish={publish!r} is no topic and no queue; begin it with {prefixes.topic}/ or "
            f"{prefixes.queue}/"
        )
    if handler.result_type in (None, type(None)):
        raise ConfigurationError(
            f"{handler.where}: it returns None, so nothing would ever go to publish={publish!r}; return what is to be "
            "published, or take publish= away"
        )


def check_result(handler: BoundHandler) -> None:
    """Holds what a handler is annotated to return to what a body can be.

    Raises:
        ConfigurationError: it is a class that nothing makes JSON of, or holds one.
    """
    for result in members(handler.result_type):
        stranger = unwritable(result)
        if stranger is None:
            continue
        inside = "" if stranger is result else f", and {type_name(stranger)} in it"
        raise ConfigurationError(
            f"{handler.where}: it returns {type_name(result)}{inside}, of which no JSON can be made; return a Struct, "
            "dataclass, TypedDict, pydantic model, bytes, str or builtins"
        )


def needs_exception(exception_class: object) -> None:
    """As `needs_pattern`, for ``@app.on_error``.

    Raises:
        ConfigurationError: it is no exception class.
    """
    if not (isinstance(exception_class, type) and issubclass(exception_class, Exception)):
        raise ConfigurationError(
            f"@app.on_error takes an exception class, not {exception_class!r}: write @app.on_error(ValueError) above "
            "the function"
        )


def needs_function(decorator: str, func: object) -> None:
    """What is called must be a function, or an object that is called like one.

    Raises:
        ConfigurationError: it is something else.
    """
    if inspect.isclass(func):
        raise ConfigurationError(
            f"@app.{decorator} takes a function; {func.__qualname__} is a class, of which each call would make an "
            "object: give a function, or a method of an object"
        )
    if not callable(func):
        raise ConfigurationError(f"@app.{decorator} takes a function, not {func!r}")


def takes_address(func: Any) -> bool:
    """Whether what proves logins wants to know the client's address.

    Raises:
        ConfigurationError: it does not take ``(login, passcode)``.
    """
    needs_function("authenticate", func)
    signature = inspect.signature(func)
    address = "client_address" in signature.parameters
    try:
        signature.bind("login", "passcode", **({"client_address": ""} if address else {}))
    except TypeError:
        raise ConfigurationError(
            f"{describe(func)}: @app.authenticate takes (login, passcode), and client_address where it wants it"
        ) from None
    return address


def check_kinds(where: str, slow: object, history: object, queue: object) -> None:
    """Holds the options of a destination to their types.

    Raises:
        ConfigurationError: one has another.
    """
    if slow is not None and not isinstance(slow, SlowPolicy):
        raise ConfigurationError(
            f"{where}: slow={slow!r} is no policy; write Cut(), DropOldest() or Conflate()"
        )
    if history is not None and not isinstance(history, History):
        raise ConfigurationError(f"{where}: history={history!r} is no history; write History(count=100)")
    if queue is not None and not isinstance(queue, Queue):
        raise ConfigurationError(f"{where}: queue={queue!r} says no bounds; write Queue(max_messages=1000)")
