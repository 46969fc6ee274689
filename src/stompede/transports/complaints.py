"""What uvicorn says of requests that are wrong. Anybody can send as many as they like, a connection each; so a line in
the log tells of them now and then, and a figure of all.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final, final

LINE_EVERY_S: Final = 10.0


@final
class Complaints(logging.LoggerAdapter[logging.Logger]):
    """uvicorn's logger for the HTTP protocol, whose warnings are all about what a client sent: of each kind there is
    one line in `LINE_EVERY_S`.

    Attributes:
        requests: how many there were, whether a line told of them or not.
    """

    def __init__(self) -> None:
        super().__init__(logging.getLogger("uvicorn.error"))
        self.requests = 0
        self._lines: dict[
            object, tuple[float, int]
        ] = {}  # when the next may come, and how many it has to tell of

    @property
    def level(self) -> int:
        """The logger's own, which uvicorn asks for."""
        return self.logger.level

    def warning(self, msg: object, *args: object, **options: Any) -> None:
        """Says it, or counts it for the next line of its kind."""
        self.requests += 1
        now = asyncio.get_running_loop().time()
        due, untold = self._lines.get(msg, (now, 0))
        if now < due:
            self._lines[msg] = due, untold + 1
            return
        self._lines[msg] = now + LINE_EVERY_S, 0
        super().warning(
            f"{msg} And {untold} more since the line before." if untold else msg, *args, **options
        )
