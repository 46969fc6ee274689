"""The seam for logins by name and passcode, as a CONNECT frame may carry them."""

from __future__ import annotations

from typing import Protocol

from stompede._types import Principal


class Authenticator(Protocol):
    """Knows who may come in by ``login`` and ``passcode``."""

    async def login(self, login: str, passcode: str, *, client_address: str | None = None) -> Principal:
        """Whom this login proves.

        Args:
            login: the name as the client gave it.
            passcode: the secret; never kept, never logged.
            client_address: where the client is, to slow down guessing; ``None`` where that is not known.

        Raises:
            AuthenticationError: ``login-failed``, the same for an unknown name and a wrong passcode;
                ``rate-limited`` after too many failures; ``unavailable`` when too many logins wait.
        """
        ...
