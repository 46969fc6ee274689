"""The one table of all the ways in which a connection ends.

``code`` and ``reason`` go into the WebSocket close frame; where the client speaks STOMP it gets them in an
ERROR frame before, with the header ``reconnect``. Codes 1000-1015 are RFC 6455's; 4000-4499 are ours and mean
"come back", 4500-4999 are ours and mean "stay away, coming back as you are changes nothing".
"""

from __future__ import annotations

import enum

import msgspec


class Disconnect(msgspec.Struct, frozen=True):
    """Why a connection ended.

    Attributes:
        code: WebSocket close code.
        reason: short name, stable.
        reconnect: whether the client should come back by itself.
        meaning: a sentence for people.
    """

    code: int
    reason: str
    reconnect: bool
    meaning: str


class Disconnects(enum.Enum):
    """The rows of the table."""

    NORMAL = Disconnect(1000, "disconnect", False, "The client sent DISCONNECT or closed the WebSocket.")
    LOST = Disconnect(1006, "connection-lost", True, "The connection broke without a close frame.")
    PROTOCOL = Disconnect(1002, "protocol-error", False, "The client broke a rule of WebSocket or STOMP.")
    NOT_UTF8 = Disconnect(1007, "invalid-text", False, "A WebSocket text message was not UTF-8.")
    NOT_TEXT = Disconnect(
        1003, "text-only", False, "A message for a SockJS client is not UTF-8; SockJS carries text only."
    )
    TOO_BIG = Disconnect(1009, "message-too-big", False, "A message is larger than `max_message_bytes`.")
    INTERNAL = Disconnect(
        1011, "internal-error", True, "The node failed in a way that it did not expect; its log says how."
    )
    RESTART = Disconnect(
        1012, "service-restart", True, "The node stops. Another one, or the same a little later, takes over."
    )
    OVERLOADED = Disconnect(1013, "try-again-later", True, "The node is full or draining.")
    HEART_BEAT_MISSED = Disconnect(
        4000, "heart-beat-missed", True, "The client promised heart-beats and was silent."
    )
    CONNECT_TIMEOUT = Disconnect(
        4001, "connect-timeout", True, "No CONNECT frame came within `connect_timeout_s`."
    )
    IDLE = Disconnect(
        4002, "idle-timeout", True, "Nothing came within `idle_timeout_s`, not even an answer to a ping."
    )
    SLOW_CONSUMER = Disconnect(
        4003, "slow-consumer", True, "The client took its messages too slowly; some are lost."
    )
    HANDLER_STUCK = Disconnect(
        4004,
        "handler-stuck",
        True,
        "A handler went on beyond `handler_timeout_s` and beyond its cancellation; what the session sent next waited "
        "for it.",
    )
    MOVED = Disconnect(
        4005,
        "moved",
        True,
        "The node is being drained, or the session is older than `max_connection_age_s`. The ERROR frame says where "
        "and when to go on.",
    )
    CLOSED_BY_SERVER = Disconnect(4500, "closed-by-server", False, "The application closed the session.")
    LOGIN_REFUSED = Disconnect(
        4501, "login-refused", False, "CONNECT carried no, or no valid, proof of who connects."
    )
    LIMIT = Disconnect(
        4502, "limit-exceeded", False, "A frame went beyond a limit of this node; the ERROR frame names it."
    )

    @property
    def code(self) -> int:
        """WebSocket close code."""
        return self.value.code

    @property
    def reason(self) -> str:
        """Short stable name."""
        return self.value.reason

    @property
    def reconnect(self) -> bool:
        """Whether the client should come back by itself."""
        return self.value.reconnect
