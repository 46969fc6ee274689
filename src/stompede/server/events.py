"""What the application is told of sessions as they come and go."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from stompede.errors import ConfigurationError
from stompede.messaging._naming import describe

Moment = Literal["session-start", "session-end", "subscribe", "unsubscribe"]
_ARGUMENTS: Final = {
    "session-start": ("session",),
    "session-end": ("session", "why"),
    "subscribe": ("session", "destination"),
    "unsubscribe": ("session", "destination"),
}


class SessionEvents:
    """The application's listeners. They run after the fact, cannot refuse, and a failing one is logged."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Callable[..., Any]]] = {moment: [] for moment in _ARGUMENTS}

    def add(self, moment: Moment, func: Callable[..., Any]) -> None:
        """Adds a listener.

        Raises:
            ConfigurationError: it does not take the arguments of that moment.
        """
        wanted = _ARGUMENTS[moment]
        try:
            inspect.signature(func).bind(*wanted)
        except TypeError:
            raise ConfigurationError(
                f"{describe(func)}: a listener of {moment} takes ({', '.join(wanted)})"
            ) from None
        self._listeners[moment].append(func)

    def wants(self, moment: Moment) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners[moment])

    async def tell(self, moment: Moment, *arguments: Any) -> None:
        """Calls the listeners in order. What they raise is raised."""
        for func in self._listeners[moment]:
            result = func(*arguments)
            if isinstance(result, Awaitable):
                await result
