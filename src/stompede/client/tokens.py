"""Where the client's token comes from."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import final

from stompede.errors import AuthenticationError, ConfigurationError

TokenSupplier = Callable[[], Awaitable[str] | str]


@final
class TokenSource:
    """Holds the newest token and fetches another one when asked.

    Args:
        origin: a token for good, a function that returns one or an awaitable of one, or ``None`` for an
            anonymous client.
    """

    def __init__(self, origin: str | TokenSupplier | None) -> None:
        self._supplier = origin if callable(origin) else None
        self._authorization: str | None = None
        self.fetched = 0
        if isinstance(origin, str):
            self._authorization = bearer(origin)

    @property
    def authorization(self) -> str | None:
        """Value of the ``Authorization`` header; ``None`` for an anonymous client."""
        return self._authorization

    @property
    def renewable(self) -> bool:
        """Whether another token can be had."""
        return self._supplier is not None

    async def fetch(self) -> None:
        """Asks the supplier for a token; does nothing where there is none.

        Raises:
            AuthenticationError: the supplier failed (its exception is the cause), or what it returned is no
                token.
        """
        if self._supplier is None:
            return
        try:
            token = self._supplier()
            if inspect.isawaitable(token):
                token = await token
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Not we were cancelled, but what the supplier waited for.
            raise AuthenticationError("token-missing", "the token supplier was cancelled") from error
        except Exception as error:
            raise AuthenticationError("token-missing", f"the token supplier failed: {error!r}") from error
        if not isinstance(token, str):
            raise AuthenticationError(
                "token-missing", f"the token supplier returned {type(token).__name__}, not str"
            )
        self.fetched += 1
        try:
            self._authorization = bearer(token)
        except ConfigurationError as error:
            raise AuthenticationError(
                "token-missing", f"the token supplier returned something else: {error}"
            ) from error


def bearer(token: str) -> str:
    """The ``Authorization`` header for a token (RFC 6750 section 2.1)."""
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise ConfigurationError("a token is a non-empty ASCII string without blanks")
    return f"Bearer {token}"
