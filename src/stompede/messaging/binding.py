"""From a function's signature to the code that calls it with its arguments.

A handler's arguments are the same ones for every message, so the code that takes them from a message is
written once, at registration, and compiled: for ``async def say(room: str, body: Say, who: Principal |
None)`` it is ::

    def call(invocation):
        message = invocation.message
        try:
            body = decode(message.body)
        except DECODE_ERRORS as error:
            raise body_problem(error, message.body) from error
        return say(invocation.path["room"], body, invocation.principal)

and the coroutine that it returns is the handler's own. Dependencies are laid out in the order of their calls
in the same way, so which of them is shared within one message is decided here and not at run time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, Literal, TypeAlias

import msgspec

from stompede.errors import ConfigurationError
from stompede.messaging._codegen import compile_call, make_plan
from stompede.messaging._naming import describe, did_you_mean
from stompede.messaging.arguments import Source
from stompede.messaging.dependencies import Overrides, RunBlocking
from stompede.messaging.headers import HeaderReader, header_reader
from stompede.messaging.invocation import Invocation
from stompede.messaging.patterns import Pattern

NO_BODY: Final = inspect.Parameter.empty
"""`BoundHandler.body_type` of a handler that takes no body."""

Call: TypeAlias = Callable[[Invocation], Coroutine[Any, Any, Any]]
"""Calls a handler.

The call itself may raise `Problem` (``invalid-body``, ``invalid-path``, ``invalid-header``,
``login-required``), before there is a coroutine.
"""


class BoundHandler(msgspec.Struct, frozen=True):
    """A handler with its binding, and what the catalogue tells of it.

    Attributes:
        call: calls it with the arguments that it asks for.
        name: the function's name.
        where: how errors and logs name it: ``handler say() at chat.py:15``.
        pattern: which destinations it serves, without the application prefix.
        publish: where its result goes, or ``None``.
        body_type: the type of its body; `NO_BODY` when it takes none.
        result_type: what it is annotated to return; ``Any`` without annotation.
        path_types: types of the pattern's variables; ``str`` for those that it does not ask for.
        headers: the headers that it asks for.
        requires_login: it asks for a ``Principal`` that must be there.
        doc: its docstring.
    """

    call: Call
    name: str
    where: str
    pattern: Pattern
    publish: Pattern | None
    body_type: Any
    result_type: Any
    path_types: Mapping[str, Any]
    headers: tuple[HeaderReader, ...]
    requires_login: bool
    doc: str


def bind_handler(
    func: Callable[..., Any],
    *,
    pattern: str | Pattern,
    kind: Literal["message", "subscribe"],
    run_blocking: RunBlocking,
    close_blocking: RunBlocking | None = None,
    publish: str | Pattern | None = None,
    overrides: Overrides | None = None,
    where: str | None = None,
) -> BoundHandler:
    """Compiles the binding of a handler.

    Args:
        func: the handler, ``async def`` or ``def``.
        pattern: which destinations it serves, without the application prefix.
        kind: it serves SENDs, with a body, or answers SUBSCRIBEs.
        run_blocking: runs what is a plain ``def``; it may refuse by raising `Problem`.
        close_blocking: runs the end of ``def`` dependencies with ``yield``; it must never refuse.
        publish: pattern of where the result is published; its variables are those of ``pattern``.
        overrides: replaces dependencies for tests; asked at each call of a handler that has any.
        where: how errors name the handler; by default its kind, name, file and line.

    Raises:
        ConfigurationError: it cannot be bound; the sentence says where and how to mend it.
    """
    where = where or f"handler {describe(func)}"
    pattern = Pattern.parse(pattern, where) if isinstance(pattern, str) else pattern
    if isinstance(publish, str):
        publish = Pattern.parse(publish, where)
    if publish is not None:
        _check_publish(publish, pattern, where)
    plan = make_plan(
        func,
        role=kind,
        where=where,
        variables=pattern.variables,
        run_blocking=run_blocking,
        close_blocking=close_blocking,
    )
    asked = {a.name: a.annotation for a in plan.arguments if a.source is Source.PATH}
    bodies = [a.annotation for a in plan.arguments if a.source is Source.BODY]
    return BoundHandler(
        call=compile_call(plan, overrides),
        name=getattr(func, "__name__", type(func).__name__),
        where=where,
        pattern=pattern,
        publish=publish,
        body_type=bodies[0] if bodies else NO_BODY,
        result_type=plan.result_type,
        path_types={name: asked.get(name, str) for name in pattern.variables},
        headers=tuple(header_reader(a, where) for a in plan.arguments if a.source is Source.HEADER),
        requires_login=any(a.source is Source.MEMBER for a in plan.arguments),
        doc=inspect.getdoc(func) or "",
    )


def _check_publish(publish: Pattern, pattern: Pattern, where: str) -> None:
    for name in publish.variables:
        if name not in pattern.variables:
            raise ConfigurationError(
                f"{where}: path variable {{{name}}} of publish= is no argument"
                + (
                    did_you_mean(name, pattern.variables, "{{{}}}")
                    or f'; its variables must stand in the pattern "{pattern}" as well'
                )
            )
