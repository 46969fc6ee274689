"""Running what handlers depend on: FastAPI's ``Depends`` without a request.

===========================  ===============================================  ==============================
a dependency that is         runs                                             closes
===========================  ===============================================  ==============================
``async def``                on the loop                                      nothing to close
``def``, or a class          in the pool                                      nothing to close
``async def`` with ``yield`` on the loop                                      before the result is returned
``def`` with ``yield``       in the pool                                      before the result, in the pool
===========================  ===============================================  ==============================

What is opened last closes first; an exception of the handler is thrown into each that is open. ``scope=``
changes nothing: a message has no response to wait for, and what is published must be committed first.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from enum import Enum
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Protocol, TypeAlias, final

from stompede.errors import ConfigurationError, StompedeError
from stompede.messaging._naming import describe
from stompede.messaging.arguments import Argument

Overrides: TypeAlias = Callable[[], Mapping[Callable[..., Any], Callable[..., Any]]]
"""Returns what replaces which dependency just now, as FastAPI's ``app.dependency_overrides``."""


class RunBlocking(Protocol):
    """Runs a blocking function elsewhere than on the loop: ``await run_blocking(func, *args)``."""

    def __call__(self, func: Callable[..., Any], /, *args: Any) -> Awaitable[Any]: ...


class Style(Enum):
    """How a function must be called."""

    ASYNC = "async def"
    BLOCKING = "def"
    ASYNC_GENERATOR = "async def with yield"
    GENERATOR = "def with yield"


def style_of(func: Callable[..., Any]) -> Style:
    """Says how a function, class or callable object must be called."""
    target: Any = func
    while isinstance(target, partial):
        target = target.func
    target = inspect.unwrap(target)
    if not inspect.isroutine(target) and not inspect.isclass(target):
        target = type(target).__call__
    if inspect.isasyncgenfunction(target):
        return Style.ASYNC_GENERATOR
    if inspect.isgeneratorfunction(target):
        return Style.GENERATOR
    return Style.ASYNC if inspect.iscoroutinefunction(target) else Style.BLOCKING


def dependency_of(argument: Argument, where: str) -> Callable[..., Any]:
    """Returns what an argument with a ``Depends`` marker depends on; by default its annotated class.

    Raises:
        ConfigurationError: it names nothing that can be called, or asks for what messages do not have.
    """
    marker = argument.marker
    target = argument.annotation if marker.dependency is None else marker.dependency
    if not callable(target) or target is inspect.Parameter.empty:
        raise ConfigurationError(
            f"{where}: argument {argument.name}: Depends() needs a function or class: Depends(get_it)"
        )
    if getattr(marker, "max_concurrency", None) is not None:
        raise ConfigurationError(
            f"{where}: argument {argument.name}: Depends(max_concurrency=...) is not supported for messages; "
            "hold a semaphore in the dependency"
        )
    return target  # type: ignore[no-any-return]  # callable() has just said so


def describe_dependency(func: Callable[..., Any], of: str) -> str:
    """Names a dependency in errors: ``dependency get_sql() at db.py:8 of handler take() at orders.py:20``."""
    return f"dependency {describe(func)} of {of}"


@final
class BlockingContext(AbstractAsyncContextManager[Any]):
    """Enters and leaves a blocking context manager in the pool.

    Args:
        context: what is entered.
        run: runs its beginning; may refuse when the pool is full.
        close: runs its end; never refuses, or what was opened would stay open.
    """

    __slots__ = ("_close", "_context", "_given_up", "_lock", "_opened", "_run")

    def __init__(self, context: AbstractContextManager[Any], run: RunBlocking, close: RunBlocking) -> None:
        self._context = context
        self._run = run
        self._close = close
        self._lock = Lock()
        self._opened = self._given_up = False

    async def __aenter__(self) -> Any:
        try:
            return await self._run(self._open)
        except BaseException as error:
            # A thread cannot be stopped: what it opens after a cancellation it closes again itself.
            with self._lock:
                self._given_up = True
            if self._opened:
                await self._close(self._context.__exit__, type(error), error, error.__traceback__)
            raise

    def _open(self) -> Any:
        value = self._context.__enter__()
        with self._lock:
            self._opened = not self._given_up
        if not self._opened:
            error = StompedeError("the message was given up while this was opened")
            self._context.__exit__(type(error), error, None)
        return value

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        return bool(await self._close(self._context.__exit__, cls, error, traceback))


def swallowed(where: str) -> StompedeError:
    """Makes the error of a handler whose exception a dependency took and did not raise again."""
    return StompedeError(
        f"{where} raised, and a dependency with yield swallowed the exception; raise it again behind the "
        "yield"
    )
