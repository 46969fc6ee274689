"""The server's side of a STOMP connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, final

from stompede._types import NO_HEADERS
from stompede.wire.stomp.cache import HeadCache
from stompede.wire.stomp.encode import Frame, Publishable, encode_error, encode_frame, encode_message
from stompede.wire.stomp.endpoint import Endpoint
from stompede.wire.stomp.escaping import escape
from stompede.wire.stomp.events import (
    Abort,
    Ack,
    Begin,
    Commit,
    Connect,
    Disconnect,
    Nack,
    Send,
    ServerEvent,
    Subscribe,
    Unsubscribe,
    Violation,
)
from stompede.wire.stomp.head import Head
from stompede.wire.stomp.heartbeat import NO_HEART_BEAT, TOLERANCE_FACTOR, HeartBeat, parse_heart_beat
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.refusal import HEADER, VERSION, FrameRefusedError, shown
from stompede.wire.stomp.states import State
from stompede.wire.stomp.tables import ACK_MODES, Side
from stompede.wire.stomp.template import Template, Templates
from stompede.wire.stomp.versions import ALL_VERSIONS, Version, choose_version, names, parse_offer

_LF: Final = 10
# There is one for each message of a queue, and nearly all look like this; STOMP 1.2.
_plain_ack: Final = re.compile(rb"ACK\nid:([0-9A-Za-z-]{1,64})\n\n\0\n?").match
_NOTHING: Final[dict[bytes, Head]] = {}
_NO_HEAD: Final = Head("", NO_HEADERS, b"", None, None, None, None, None, None, None, NO_HEADERS)


@final
class ServerSession(Endpoint):
    """The server's side of one STOMP connection.

    After `Violation` or `Disconnect` no more events come, whatever else the client sends. After `Connect`
    none come until `send_connected` has answered it, as only then the version is known by which the next
    frame is to be read.

    Args:
        limits: bounds of one frame; the same for all sessions that share a cache.
        heart_beat: what the server can send and wants to receive.
        server: value of the ``server`` header of CONNECTED; ``None`` for none.
        cache: where parsed heads are kept; one for all sessions of a node.
        versions: the versions that are spoken.
    """

    __slots__ = (
        "_agreed",
        "_heads",
        "_known",
        "_last",
        "_last_raw",
        "_server",
        "_templates",
        "_theirs",
        "_versions",
    )

    def __init__(
        self,
        *,
        limits: Limits,
        heart_beat: HeartBeat,
        server: str | None,
        cache: HeadCache,
        versions: tuple[Version, ...] = ALL_VERSIONS,
    ) -> None:
        super().__init__(Side.SERVER, limits, heart_beat, cache)
        cache.claim(limits)
        self._known = cache
        self._server = server
        self._versions = versions
        self._agreed: Version | None = None
        self._theirs = NO_HEART_BEAT
        # The hot path looks into these; outside of State.CONNECTED they hold nothing that it could find.
        self._heads = _NOTHING
        self._last_raw: bytes | None = None
        self._last = _NO_HEAD
        self._templates: Templates | None = None

    def next_event(self) -> ServerEvent | None:
        """The next event, or ``None`` where more bytes are needed. Parses at most one frame."""
        data = self._data
        if not data:
            return None if self._gathered is None else self._next_event()
        # The hot path: a SEND that is there as a whole, with the head of the SEND before it or with one that
        # the cache knows. Whatever is not so goes the long way, which finds the same, or what is wrong.
        pos = self._pos
        raw = self._last_raw
        if raw is not None and data.startswith(raw, pos):
            head = self._last
            body = pos + len(raw)
        else:
            known = self._known_head(data, pos)
            if known is None:
                return self._next_event()
            head = known
            body = pos + len(known.raw)
        length = head.content_length
        end = data.find(b"\0", body) if length is None else body + length
        if end < 0 or end >= len(data) or data[end] or end - body > self._limits.max_body_bytes:
            return self._next_event()
        after = end + 1
        if after < len(data) and data[after] == _LF:
            after += 1  # some clients end every frame with it
        if after < len(data):
            self._pos = after
        else:
            self._data = b""
            self._pos = 0
        return Send(head, head.destination, data[body:end])  # type: ignore[arg-type]  # SEND requires it

    def _known_head(self, data: bytes, pos: int) -> Head | None:
        """The head of a SEND that one of the session's templates fits, or that the cache has."""
        head = None if self._templates is None else self._templates.head_at(data, pos)
        if head is None:
            # Without a bound, many frames in one chunk would each be searched to the end of the chunk.
            end = data.find(b"\n\n", pos, pos + self._limits.max_header_block_bytes) + 2
            head = self._heads.get(data[pos:end])
            if head is None or head.command != "SEND":
                return None
        self._known.hits += 1
        self._last = head
        self._last_raw = head.raw
        return head

    def _next_event(self) -> ServerEvent | None:
        if self.state is State.CONNECTING:
            return None
        if self.state is not State.CONNECTED and self.state is not State.OPEN:
            self.forget()
            return None
        try:
            if (
                self.version is Version.V1_2
                and self._gathered is None
                and (ack := self._plain_ack()) is not None
            ):
                return ack
            frame = self.next_frame()
            return None if frame is None else _MAKE[frame[0].command](self, *frame)
        except FrameRefusedError as refused:
            return self._violated(refused)

    def _plain_ack(self) -> Ack | None:
        """What the long way makes of an ACK that is there as a whole and has nothing but an id; ``None`` for others."""
        found = _plain_ack(self._data, self._pos)
        if found is None:
            return None
        end = found.end()
        if end - self._pos > min(self._limits.max_header_line_bytes, self._limits.max_header_block_bytes):
            return None
        if end < len(self._data):
            self._pos = end
        else:
            self.forget()
        name = found[1].decode()
        raw = found[0][: found[0].index(b"\0")]
        headers = MappingProxyType({"id": name})
        head = Head("ACK", headers, raw, None, None, None, None, None, None, None, headers)
        return Ack(head, name, None)

    def _violated(self, refused: FrameRefusedError) -> Violation:
        headers = NO_HEADERS if refused.supported is None else {"version": refused.supported}
        error = encode_error(self.version, refused.summary, refused.detail, refused.receipt, headers)
        self._over(State.CLOSING)
        return Violation(error, refused.code, refused.detail)

    def _over(self, state: State) -> None:
        """Nothing that the client sends counts any more."""
        self.state = state
        self._heads = _NOTHING
        self._last_raw = None
        self._templates = None
        self.forget()

    # Frames into events. The decoder has seen to the command, the state and the required headers.

    def _connect(self, head: Head, _: bytes) -> Connect:
        get = head.headers.get
        offer = parse_offer(get("accept-version"))
        version = choose_version(offer, self._versions)
        if version is None:
            raise self._no_version(head, offer)
        # 1.0 has no heart-beats; what such a client writes there means nothing.
        theirs = NO_HEART_BEAT if version is Version.V1_0 else parse_heart_beat(get("heart-beat"))
        if theirs is None:
            detail = (
                "heart-beat must be two numbers of milliseconds with a comma between, what the client can send "
                f"and what it wants to receive, as in 10000,10000; {shown(get('heart-beat', ''))} is not"
            )
            raise _with_receipt(FrameRefusedError(HEADER, "malformed heart-beat header", detail), head)
        self._agreed = version
        self._theirs = theirs
        return Connect(head, version, offer, get("host"), get("login"), get("passcode"), theirs)

    def _no_version(self, head: Head, offer: tuple[str, ...]) -> FrameRefusedError:
        supported = names(self._versions)
        offered = shown(", ".join(offer))
        detail = f"none of the versions {offered} is spoken here; accept-version must name one of {supported}"
        return _with_receipt(
            FrameRefusedError(VERSION, "no common STOMP version", detail, supported=supported), head
        )

    def _send(self, head: Head, body: bytes) -> Send:
        self._last = head
        self._last_raw = head.raw
        assert self.version is not None
        template = Template.of(head, self.version, self._limits)
        if template is not None:
            if self._templates is None:
                self._templates = Templates()
            self._templates.add(template)
        return Send(head, head.headers["destination"], body)

    def _subscribe(self, head: Head, _: bytes) -> Subscribe:
        destination = head.headers["destination"]
        ack = head.headers.get("ack", "auto")
        if ack not in ACK_MODES:
            detail = f"ack must be one of {', '.join(ACK_MODES)}; {shown(ack)} is not"
            raise _with_receipt(FrameRefusedError(HEADER, "unknown ack mode", detail), head)
        given = head.headers.get("id")
        if given:
            return Subscribe(head, given, destination, ack, True)
        return Subscribe(head, destination, destination, ack, False)

    def _unsubscribe(self, head: Head, _: bytes) -> Unsubscribe:
        return Unsubscribe(head, head.headers.get("id") or head.headers["destination"])

    def _acknowledged(self, head: Head) -> str:
        return head.headers["id" if self.version is Version.V1_2 else "message-id"]

    def _ack(self, head: Head, _: bytes) -> Ack:
        return Ack(head, self._acknowledged(head), head.headers.get("subscription"))

    def _nack(self, head: Head, _: bytes) -> Nack:
        return Nack(head, self._acknowledged(head), head.headers.get("subscription"))

    def _begin(self, head: Head, _: bytes) -> Begin:
        return Begin(head, head.headers["transaction"])

    def _commit(self, head: Head, _: bytes) -> Commit:
        return Commit(head, head.headers["transaction"])

    def _abort(self, head: Head, _: bytes) -> Abort:
        return Abort(head, head.headers["transaction"])

    def _disconnect(self, head: Head, _: bytes) -> Disconnect:
        self._over(State.DISCONNECTING)
        return Disconnect(head)

    # Frames out. The caller writes what is returned.

    def send_connected(
        self, *, session: str, user_name: str | None = None, now: float, tolerance: float = TOLERANCE_FACTOR
    ) -> bytes:
        """Accepts the client: CONNECTED, with the version and the heart-beats that both sides agreed on.

        Args:
            session: unique id of the session.
            user_name: name of the member that it belongs to, if any.
            now: heart-beats count from here.
            tolerance: how late the client's heart-beats may be, as a multiple of their interval.

        Raises:
            LocalProtocolError: no CONNECT waits for an answer.
        """
        self._cross("CONNECTED")
        version = self._agreed
        assert version is not None
        self.version = version
        self._agree(self._theirs, now, tolerance)
        self._heads = self._known.heads(version)
        frame = f"CONNECTED\nversion:{version.value}\nsession:{escape(None, session)}\n"
        if self._server is not None:
            frame += f"server:{escape(None, self._server)}\n"
        if version is not Version.V1_0:
            frame += f"heart-beat:{self._heart_beat}\n"
        if user_name is not None:
            frame += f"user-name:{escape(None, user_name)}\n"
        return f"{frame}\n\0".encode()

    def send_receipt(self, receipt_id: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """RECEIPT: the frame that carried this ``receipt`` header is done with.

        Args:
            receipt_id: value of that header.
            headers: what else there is to say of it.

        Raises:
            LocalProtocolError: the session is not connected.
        """
        self._cross("RECEIPT")
        if headers:
            return encode_frame(self.version, Frame("RECEIPT", {"receipt-id": receipt_id, **headers}))
        return f"RECEIPT\nreceipt-id:{escape(self.version, receipt_id)}\n\n\0".encode()

    def send_message(
        self, message: Publishable, *, message_id: str, subscription: str | None, ack: str | None = None
    ) -> bytes:
        """MESSAGE for one subscription of this session.

        Args:
            message: what to deliver.
            message_id: unique id of it.
            subscription: id of the subscription, ``None`` where a 1.0 client gave none.
            ack: what the client is to acknowledge it by (1.2), where its subscription asks for that.

        Raises:
            LocalProtocolError: the session is not connected.
        """
        state = self.state
        if state is not State.CONNECTED:
            self._cross("MESSAGE")
        assert self.version is not None
        return encode_message(self.version, message_id, message, subscription, ack)

    def send_error(
        self,
        message: str,
        *,
        detail: str = "",
        receipt_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bytes:
        """ERROR. The connection must be closed after it is written; no more events come.

        Args:
            message: a few words, for the ``message`` header.
            detail: more about it, for the body.
            receipt_id: the receipt that the frame in question asked for, if it did.
            headers: further headers.

        Raises:
            LocalProtocolError: an ERROR is sent already, or the client broke the protocol.
        """
        self._cross("ERROR")
        error = encode_error(self.version, message, detail, receipt_id, headers)
        self._over(State.CLOSING)
        return error


def _with_receipt(refused: FrameRefusedError, head: Head) -> FrameRefusedError:
    refused.receipt = head.receipt
    return refused


_MAKE: Final[Mapping[str, Callable[[ServerSession, Head, bytes], ServerEvent]]] = {
    "CONNECT": ServerSession._connect,
    "STOMP": ServerSession._connect,
    "SEND": ServerSession._send,
    "SUBSCRIBE": ServerSession._subscribe,
    "UNSUBSCRIBE": ServerSession._unsubscribe,
    "ACK": ServerSession._ack,
    "NACK": ServerSession._nack,
    "BEGIN": ServerSession._begin,
    "COMMIT": ServerSession._commit,
    "ABORT": ServerSession._abort,
    "DISCONNECT": ServerSession._disconnect,
}
