"""From a function's signature to the code that calls it with its arguments."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal, Protocol

import msgspec

from stompede.messaging.invocation import Invocation
from stompede.messaging.patterns import Pattern


class RunBlocking(Protocol):
    """Runs a blocking function elsewhere than on the loop: ``await run_blocking(func, *args)``."""

    def __call__(self, func: Callable[..., Any], /, *args: Any) -> Awaitable[Any]: ...


class BoundHandler(msgspec.Struct, frozen=True):
    """A handler with its binding and what the catalogue tells of it."""

    call: Callable[[Invocation], Coroutine[Any, Any, Any]]
    name: str  # "say"
    where: str  # "handler say() at chat.py:15"
    pattern: Pattern
    publish: Pattern | None
    body_type: Any  # binding.NO_BODY when it takes none
    result_type: Any
    path_types: dict[str, Any]
    header_types: dict[str, Any]
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
) -> BoundHandler:
    """`close_blocking` ends `def` generator dependencies and must never refuse (default: run_blocking).

    `call(invocation)` itself may raise Problem (invalid-body, invalid-path, login-required ...) before there is a coroutine.
    """
    raise NotImplementedError


def compile_handler(
    func: Callable[..., Any],
    *,
    pattern: str | Pattern,
    kind: Literal["message", "subscribe"],
    run_blocking: RunBlocking,
    where: str | None = None,
) -> Callable[[Invocation], Coroutine[Any, Any, Any]]:
    """``bind_handler(...).call``"""
    raise NotImplementedError
