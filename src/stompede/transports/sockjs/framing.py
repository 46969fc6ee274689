"""Messages on their way to SockJS: with their length in front, until the transport quotes them.

A session above makes frames ready without knowing SockJS, and the hub makes one object for all members of a cohort.
That object is quoted once, however many of them write it one after the other.
"""

from __future__ import annotations

from itertools import takewhile
from typing import ClassVar, Final, final

from stompede.wire.sockjs import prefix, quote, split


@final
class SockJsFraming:
    """See `stompede.transports.base.Framing`; one object for all SockJS connections."""

    __slots__ = ("_last", "_quoted")
    compression: ClassVar[None] = None
    trailer: ClassVar[bytes] = b""

    def __init__(self) -> None:
        self._last = b""
        self._quoted: tuple[bytes, bool] = (b"", True)

    header = staticmethod(prefix)

    def quoted(self, data: bytes) -> tuple[bytes, bool]:
        """The inner part of an ``a`` frame, and whether all of ``data`` was text. What follows the first message that
        is not is left out with it: who got it would not know of the hole before it.
        """
        if data is not self._last:
            messages = list(split(data))
            texts = [message.decode() for message in takewhile(_is_text, messages) if message is not None]
            self._quoted = (quote(texts) if texts else b"", len(texts) == len(messages))
            self._last = data
        return self._quoted


def _is_text(message: bytes | None) -> bool:
    return message is not None


SOCKJS: Final = SockJsFraming()
MESSAGES_OF_A_TURN: Final = 64
"""How many of a client's messages are handed over in one turn of the loop: an array may hold a hundred thousand."""

# STOMP's rule for such data: the session is told, and ends (close code 1003 of RFC 6455).
UNSUPPORTED_DATA: Final = 1003
NOT_TEXT: Final = "SockJS carries text only, and a message for this client is not UTF-8; use WebSocket"
