"""Where a server sends its client when it ends the connection, and when the client should be there.

A node that is drained, or that finds a connection too old, ends it with an ERROR frame. It has ``reconnect-url``, where
it knows another node, and ``reconnect-delay-ms``, a time drawn by chance, so that clients which are moved together do
not come together. The client adds no chance of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

MOST_DELAY_S: Final = 60.0
"""No server makes a client wait for longer."""
_MOST_DIGITS: Final = 9

_ENCRYPTED: Final[Mapping[str, bool]] = {"ws": False, "stomp": False, "wss": True, "stomp+ssl": True}


class Move(msgspec.Struct, frozen=True):
    """What an ERROR frame says of the next connection.

    Attributes:
        url: where to connect; ``None``: where the client has been told by its user.
        delay_s: how long to wait before it, in seconds.
    """

    url: str | None
    delay_s: float


def move_from(headers: Mapping[str, str]) -> Move | None:
    """Reads the headers of an ERROR frame; ``None`` where they say neither where nor when."""
    url = headers.get("reconnect-url") or None
    delay_ms = headers.get("reconnect-delay-ms", "")
    if delay_ms.isascii() and delay_ms.isdigit():
        delay_s = int(delay_ms) / 1000 if len(delay_ms) <= _MOST_DIGITS else MOST_DELAY_S
        return Move(url, min(delay_s, MOST_DELAY_S))
    return None if url is None else Move(url, 0.0)


def may_follow(url: str, at: str) -> bool:
    """Whether a client whose connection to ``at`` ended may go to ``url``: by a transport that it knows, and never from
    an encrypted one to one that is not.
    """
    to, of = (one.partition(":")[0] for one in (url, at))
    return to in _ENCRYPTED and (_ENCRYPTED[to] or not _ENCRYPTED.get(of, True))
