"""Stub."""

from __future__ import annotations

from collections.abc import Mapping

from stompede._types import NO_HEADERS
from stompede.wire.stomp.events import ClientEvent, Deadline
from stompede.wire.stomp.heartbeat import NO_HEART_BEAT, HeartBeat
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.states import State
from stompede.wire.stomp.versions import ALL_VERSIONS, Version


class ClientSession:
    """The client's side of one STOMP connection."""

    state: State
    version: Version | None

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        heart_beat: HeartBeat = NO_HEART_BEAT,
        versions: tuple[Version, ...] = ALL_VERSIONS,
    ) -> None:
        raise NotImplementedError

    def receive_data(self, data: bytes, now: float) -> None:
        """Takes bytes."""
        raise NotImplementedError

    def next_event(self) -> ClientEvent | None:
        """The next event."""
        raise NotImplementedError

    @property
    def buffered_bytes(self) -> int:
        """Bytes that wait."""
        raise NotImplementedError

    @property
    def expects_heart_beats(self) -> bool:
        """Whether the server promised to beat."""
        raise NotImplementedError

    def send_connect(
        self,
        *,
        host: str,
        login: str | None = None,
        passcode: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        now: float,
    ) -> bytes:
        """CONNECT."""
        raise NotImplementedError

    def send_frame(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
        """Any frame after CONNECTED."""
        raise NotImplementedError

    def send_send(self, destination: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """SEND."""
        raise NotImplementedError

    def send_subscribe(self, id: str, destination: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:  # noqa: A002
        """SUBSCRIBE."""
        raise NotImplementedError

    def send_unsubscribe(self, id: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:  # noqa: A002
        """UNSUBSCRIBE."""
        raise NotImplementedError

    def send_disconnect(self, receipt: str | None = None) -> bytes:
        """DISCONNECT."""
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
