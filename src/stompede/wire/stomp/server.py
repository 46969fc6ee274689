"""Stub."""

from __future__ import annotations

from collections.abc import Mapping

from stompede._types import NO_HEADERS
from stompede.wire.stomp.cache import HeadCache
from stompede.wire.stomp.encode import Publishable
from stompede.wire.stomp.events import Deadline, ServerEvent
from stompede.wire.stomp.heartbeat import HeartBeat
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.states import State
from stompede.wire.stomp.versions import ALL_VERSIONS, Version


class ServerSession:
    """The server's side of one STOMP connection."""

    state: State
    version: Version | None

    def __init__(
        self,
        *,
        limits: Limits,
        heart_beat: HeartBeat,
        server: str | None,
        cache: HeadCache,
        versions: tuple[Version, ...] = ALL_VERSIONS,
    ) -> None:
        raise NotImplementedError

    def receive_data(self, data: bytes, now: float) -> None:
        """Takes bytes."""
        raise NotImplementedError

    def next_event(self) -> ServerEvent | None:
        """The next event."""
        raise NotImplementedError

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait."""
        raise NotImplementedError

    @property
    def expects_heart_beats(self) -> bool:
        """Whether the client promised to beat."""
        raise NotImplementedError

    def send_connected(self, *, session: str, user_name: str | None = None, now: float) -> bytes:
        """CONNECTED."""
        raise NotImplementedError

    def send_receipt(self, receipt_id: str) -> bytes:
        """RECEIPT."""
        raise NotImplementedError

    def send_message(
        self, message: Publishable, *, message_id: str, subscription: str | None, ack: str | None = None
    ) -> bytes:
        """MESSAGE."""
        raise NotImplementedError

    def send_error(
        self,
        message: str,
        *,
        detail: str = "",
        receipt_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bytes:
        """ERROR."""
        raise NotImplementedError

    def send_heart_beat(self, now: float) -> bytes:
        """A beat."""
        raise NotImplementedError

    def note_sent(self, now: float) -> None:
        """Something was written."""
        raise NotImplementedError

    def suspend_receiving(self) -> None:
        """The socket is not read."""
        raise NotImplementedError

    def resume_receiving(self, now: float) -> None:
        """It is again."""
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """When `on_deadline` wants to be called."""
        raise NotImplementedError

    def on_deadline(self, now: float) -> tuple[Deadline, ...]:
        """What is due."""
        raise NotImplementedError
