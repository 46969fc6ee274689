"""The client's side of a STOMP connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, final

from stompede._types import NO_HEADERS
from stompede.errors import LocalProtocolError
from stompede.wire.stomp.encode import Frame, encode_frame, name_read
from stompede.wire.stomp.endpoint import Endpoint
from stompede.wire.stomp.events import (
    ClientEvent,
    Connected,
    ErrorReceived,
    MessageReceived,
    Receipt,
    ServerViolation,
)
from stompede.wire.stomp.head import Head
from stompede.wire.stomp.heartbeat import NO_HEART_BEAT, HeartBeat, parse_heart_beat
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.refusal import HEADER, VERSION, FrameRefusedError, shown
from stompede.wire.stomp.states import State
from stompede.wire.stomp.tables import RULES, Side
from stompede.wire.stomp.versions import ALL_VERSIONS, Version, names, version_named

_DEFAULT_LIMITS: Final = Limits()


@final
class ClientSession(Endpoint):
    """The client's side of one STOMP connection.

    After `ErrorReceived` or `ServerViolation` no more events come.

    Args:
        limits: bounds of one frame of the server.
        heart_beat: what the client can send and wants to receive.
        versions: the versions that it offers.
    """

    __slots__ = ("_versions",)

    def __init__(
        self,
        *,
        limits: Limits = _DEFAULT_LIMITS,
        heart_beat: HeartBeat = NO_HEART_BEAT,
        versions: tuple[Version, ...] = ALL_VERSIONS,
    ) -> None:
        super().__init__(Side.CLIENT, limits, heart_beat, None)
        self._versions = versions

    def next_event(self) -> ClientEvent | None:
        """The next event, or ``None`` where more bytes are needed. Parses at most one frame."""
        if self.state is State.CLOSING:
            self.forget()
            return None
        try:
            frame = self.next_frame()
            return None if frame is None else _MAKE[frame[0].command](self, *frame)
        except FrameRefusedError as refused:
            self.state = State.CLOSING
            self.forget()
            return ServerViolation(refused.code, refused.detail)

    def _connected(self, head: Head, _: bytes) -> Connected:
        get = head.headers.get
        version = version_named(get("version"))
        if version is None or version not in self._versions:
            detail = f"CONNECTED names the version {shown(get('version', '1.0'))}; {names(self._versions)} were offered"
            raise FrameRefusedError(VERSION, "no common STOMP version", detail)
        theirs = NO_HEART_BEAT if version is Version.V1_0 else parse_heart_beat(get("heart-beat"))
        if theirs is None:
            detail = (
                f"heart-beat must be two numbers with a comma between; {shown(get('heart-beat', ''))} is not"
            )
            raise FrameRefusedError(HEADER, "malformed heart-beat header", detail)
        self.version = version
        self._agree(theirs, self._heard)
        return Connected(head.headers, version, get("session"), get("user-name"), get("server"), theirs)

    def _message(self, head: Head, body: bytes) -> MessageReceived:
        return MessageReceived(head.headers, body)

    def _receipt(self, head: Head, _: bytes) -> Receipt:
        further = {name: value for name, value in head.headers.items() if name != "receipt-id"}
        return Receipt(head.headers["receipt-id"], further)

    def _error(self, head: Head, body: bytes) -> ErrorReceived:
        self.forget()
        return ErrorReceived(head.headers, body)

    # Frames out. The caller writes what is returned.

    def send_connect(
        self,
        *,
        host: str,
        login: str | None = None,
        passcode: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        now: float,
    ) -> bytes:
        """CONNECT, with the versions and heart-beats that are offered.

        Args:
            host: virtual host.
            login: name to log in by.
            passcode: its secret.
            headers: further headers, as ``Authorization``.
            now: for the first heart-beat.

        Raises:
            LocalProtocolError: it was sent before, or a header has a line end in it, which CONNECT cannot
                express.
        """
        said = {"accept-version": names(self._versions), "host": host, "heart-beat": str(self._heart_beat)}
        if login is not None:
            said["login"] = login
        if passcode is not None:
            said["passcode"] = passcode
        said.update(headers)
        for name, value in said.items():
            if not name.strip() or any(c in name for c in ":\n\r\0") or any(c in value for c in "\n\r\0"):
                raise LocalProtocolError(
                    f"CONNECT cannot express its header {name!r}: it has a line end or NUL in it"
                )
        self._cross("CONNECT")
        self._sent = now
        return encode_frame(None, Frame("CONNECT", said))

    def send_frame(self, command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
        """Any frame after CONNECTED. A SEND gets its content-length.

        Args:
            command: ``SEND``, ``SUBSCRIBE``, ``UNSUBSCRIBE``, ``ACK``, ``NACK``, ``BEGIN``, ``COMMIT``,
                ``ABORT`` or ``DISCONNECT``.
            headers: unescaped.
            body: of a SEND.

        Raises:
            LocalProtocolError: the command does not exist, must not be sent now, lacks a header that it
                requires, has one without a name, or must not have a body.
        """
        rule = RULES.get(command)
        if rule is None or command in ("CONNECT", "STOMP"):
            raise LocalProtocolError(f"{command} is no command that a client sends after CONNECTED")
        required = () if self.version is None else rule.required.get(self.version)
        if required is None:
            raise LocalProtocolError(
                f"{command} does not exist in STOMP {self.version.value if self.version else ''}"
            )
        for requirement in required:
            if not any(headers.get(name) for name in requirement):
                raise LocalProtocolError(f"{command} requires the header {' or '.join(requirement)}")
        if body and not rule.body:
            raise LocalProtocolError(f"{command} must not have a body")
        if any(not name_read(self.version, name) for name in headers):
            raise LocalProtocolError(f"{command} has a header without a name")
        self._cross(command)
        if command == "SEND" and "content-length" not in headers:
            headers = {**headers, "content-length": str(len(body))}
        return encode_frame(self.version, Frame(command, headers, body))

    def send_send(self, destination: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """SEND."""
        return self.send_frame("SEND", {"destination": destination, **headers}, body)

    def send_subscribe(
        self,
        id: str,  # noqa: A002 - the header's name
        destination: str,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bytes:
        """SUBSCRIBE."""
        return self.send_frame("SUBSCRIBE", {"id": id, "destination": destination, **headers})

    def send_unsubscribe(
        self,
        id: str,  # noqa: A002 - the header's name
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bytes:
        """UNSUBSCRIBE."""
        return self.send_frame("UNSUBSCRIBE", {"id": id, **headers})

    def send_ack(self, message: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """ACK of a MESSAGE, by the headers that it had."""
        return self.send_frame("ACK", {**self._acknowledges(message), **headers})

    def send_nack(self, message: Mapping[str, str], headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """NACK of a MESSAGE, by the headers that it had."""
        return self.send_frame("NACK", {**self._acknowledges(message), **headers})

    def _acknowledges(self, message: Mapping[str, str]) -> dict[str, str]:
        if self.version is Version.V1_2:
            return {"id": message.get("ack", "")}
        return {name: message[name] for name in ("message-id", "subscription") if name in message}

    def send_begin(self, transaction: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """BEGIN."""
        return self.send_frame("BEGIN", {"transaction": transaction, **headers})

    def send_commit(self, transaction: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """COMMIT."""
        return self.send_frame("COMMIT", {"transaction": transaction, **headers})

    def send_abort(self, transaction: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """ABORT."""
        return self.send_frame("ABORT", {"transaction": transaction, **headers})

    def send_disconnect(self, receipt: str | None = None) -> bytes:
        """DISCONNECT; with a receipt the server's answer says that it has seen all that was sent before."""
        return self.send_frame("DISCONNECT", NO_HEADERS if receipt is None else {"receipt": receipt})


_MAKE: Final[Mapping[str, Callable[[ClientSession, Head, bytes], ClientEvent]]] = {
    "CONNECTED": ClientSession._connected,
    "MESSAGE": ClientSession._message,
    "RECEIPT": ClientSession._receipt,
    "ERROR": ClientSession._error,
}
