"""From an exception in a handler to what the client is told."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias, TypeVar, final

import msgspec
from starlette.exceptions import HTTPException

from stompede.errors import AccessError, AuthenticationError, ConfigurationError
from stompede.messaging._naming import describe
from stompede.messaging.problem import Problem

E = TypeVar("E", bound=Exception)

ErrorHandler: TypeAlias = Callable[[Any], "Problem | Awaitable[Problem | None] | None"]

# Dependencies shared with HTTP routes raise FastAPI's HTTPException; what it means is said with our codes.
_HTTP_CODES: Final = {
    400: "invalid-body",
    401: "login-required",
    403: "forbidden",
    404: "not-found",
    413: "too-large",
    422: "invalid-body",
    429: "rate-limited",
    503: "unavailable",
}


class ErrorBody(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The JSON body of a message on the error destination.

    Attributes:
        code: stable error code.
        detail: a sentence for people.
        destination: destination of the frame that could not be served.
        client_request_code: the frame's ``client-request-code``, if it had one.
        error_id: id under which the server's log has more.
    """

    code: str
    detail: str
    destination: str | None = None
    client_request_code: str | None = None
    error_id: str | None = None


_encode = msgspec.json.Encoder().encode


def problem_body(
    problem: Problem,
    destination: str | None,
    client_request_code: str | None = None,
    error_id: str | None = None,
) -> bytes:
    """Encodes what the client is told; facts that are not known are left out."""
    return _encode(ErrorBody(problem.code, problem.detail, destination, client_request_code, error_id))


@final
class ErrorHandlers:
    """The application's ``@app.on_error`` functions, found by the exception's class or its nearest base."""

    def __init__(self) -> None:
        self._handlers: dict[type[Exception], tuple[ErrorHandler, str]] = {}

    def add(
        self, exception_class: type[E], func: Callable[[E], Problem | Awaitable[Problem | None] | None]
    ) -> None:
        """Adds the handler of an exception class and all that derive from it and have none of their own.

        Raises:
            ConfigurationError: it is no exception class, has a handler already, or the function does not take
                one argument.
        """
        name = f"error handler {describe(func)}"
        if not (isinstance(exception_class, type) and issubclass(exception_class, Exception)):
            raise ConfigurationError(
                f"{name}: @app.on_error takes an exception class, not {exception_class!r}"
            )
        if exception_class in self._handlers:
            raise ConfigurationError(
                f"{name}: {exception_class.__name__} is handled by {self._handlers[exception_class][1]} "
                "already"
            )
        required = [p for p in inspect.signature(func).parameters.values() if p.default is p.empty]
        if len(required) != 1:
            raise ConfigurationError(
                f"{name}: it takes one argument, the error: ({exception_class.__name__}) -> Problem"
            )
        self._handlers[exception_class] = (func, name)

    def to_problem(self, error: Exception) -> Problem | Awaitable[Problem | None] | None:
        """Finds what to tell the client.

        Returns:
            the problem; an awaitable of it where the application's handler is ``async def``; ``None`` for an
            unexpected error, of which the client only learns that the handler failed.

        Raises:
            Exception: whatever the application's error handler raises.
        """
        for cls in type(error).__mro__:
            if cls in self._handlers:
                func, name = self._handlers[cls]
                result = func(error)
                return _awaited(result, name) if isinstance(result, Awaitable) else _checked(result, name)
        return _known(error)


def _known(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case AuthenticationError(code=code, detail=detail):
            return Problem(code, detail)
        case AccessError():
            return Problem("forbidden", str(error))
        case HTTPException(status_code=status, detail=detail) if status in _HTTP_CODES:
            return Problem(_HTTP_CODES[status], detail if isinstance(detail, str) else "")
        case _:
            return None


async def _awaited(result: Awaitable[Problem | None], name: str) -> Problem | None:
    return _checked(await result, name)


def _checked(result: Any, name: str) -> Problem | None:
    if result is None or isinstance(result, Problem):
        return result
    raise TypeError(
        f"{name} returned {type(result).__name__}; it must return a Problem, or None for an unexpected error"
    )
