"""Messages out of frames, and the rules that a frame parser leaves to its user (RFC 6455 sections 5.4 to 5.6,
7.4 and 8.1).

The parser below (picows) has seen to masking, lengths and the frame's own size. What is left: fragments and
the order they may come in, reserved bits and opcodes, what control frames may be, that text is UTF-8, and
that a close frame carries a code that may be carried.
"""

from __future__ import annotations

import codecs
from typing import Final, final

import msgspec

from stompede.errors import RemoteProtocolError
from stompede.wire.websocket.deflate import InflateCounters, Inflater

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_DATA: Final = (TEXT, BINARY)

PROTOCOL_ERROR: Final = 1002
INVALID_TEXT: Final = 1007
TOO_BIG: Final = 1009

MAX_CONTROL_BYTES: Final = 125

_utf8: Final = codecs.getincrementaldecoder("utf-8")

# RFC 6455 section 7.4.1 and the IANA registry; 1004, 1005, 1006 and 1015 never stand in a frame.
_CODES: Final = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_APPLICATION_CODES: Final = range(3000, 5000)


class WebSocketViolation(RemoteProtocolError):  # noqa: N818 - the public name: it is what the peer did
    """The peer broke RFC 6455 or the limit of a message. Close the connection.

    Attributes:
        code: close code to send.
        reason: reason to send with it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} (close code {self.code})"


class Complete(msgspec.Struct, frozen=True, gc=False):
    """A whole message.

    Attributes:
        data: its payload; valid UTF-8 where it is text.
        text: whether it came as text.
    """

    data: bytes
    text: bool


@final
class MessageAssembler:
    """Makes messages of one connection's frames.

    Args:
        max_message_bytes: a longer message is refused with 1009 as soon as its fragments add up to more.
        counters: where compressed messages are counted.
    """

    __slots__ = ("_counters", "_decode", "_fragments", "_inflater", "_max_message_bytes", "_text")

    def __init__(self, max_message_bytes: int, counters: InflateCounters | None = None) -> None:
        self._counters = counters
        self._max_message_bytes = max_message_bytes
        self._fragments: bytearray | None = None
        self._text = False
        self._decode: codecs.IncrementalDecoder | None = None
        self._inflater: Inflater | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes of an unfinished message."""
        return 0 if self._fragments is None else len(self._fragments)

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._fragments is not None

    def frame(
        self, opcode: int, payload: bytes, fin: bool, rsv: bool, compressed: bool = False
    ) -> Complete | None:
        """Takes one frame.

        Control frames may come between fragments. They are checked and give ``None``; what they ask for is
        the caller's business, who knows the opcode.

        Args:
            opcode: of the frame.
            payload: unmasked.
            fin: whether it is the last one of its message.
            rsv: whether any reserved bit is set that no extension was agreed on for.
            compressed: whether its message is compressed: RSV1, where permessage-deflate was agreed on. What it becomes
                is bounded like any other message.

        Returns:
            The message that it completes, or ``None``.

        Raises:
            WebSocketViolation: with the close code to send. Nothing may be asked of the assembler afterwards.
        """
        if opcode in _DATA and fin and not (rsv or compressed) and self._fragments is None:
            if len(payload) > self._max_message_bytes:
                raise self._too_big()
            if opcode == BINARY:
                return Complete(payload, False)
            if not payload.isascii():
                _check_text(payload)
            return Complete(payload, True)
        return self._rare(opcode, payload, fin, rsv, compressed)

    def _rare(self, opcode: int, payload: bytes, fin: bool, rsv: bool, compressed: bool) -> Complete | None:
        if opcode >= CLOSE:
            if opcode > PONG:
                raise WebSocketViolation(PROTOCOL_ERROR, f"unknown opcode {opcode}")
            check_control(len(payload), fin, rsv or compressed)
            return None
        if rsv:
            raise WebSocketViolation(PROTOCOL_ERROR, "a reserved bit is set, but no extension was agreed on")
        if opcode > BINARY:
            raise WebSocketViolation(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        if opcode == CONTINUATION:
            if self._fragments is None:
                raise WebSocketViolation(PROTOCOL_ERROR, "continuation of a message that has not begun")
            if compressed:  # RFC 7692 section 6.1: only a message's first frame says that it is
                raise WebSocketViolation(PROTOCOL_ERROR, "a continuation says that it is compressed")
        elif self._fragments is not None:
            raise WebSocketViolation(PROTOCOL_ERROR, "a new message began before the last one ended")
        else:
            self._fragments = bytearray()
            self._text = opcode == TEXT
            self._decode = _utf8() if self._text else None
            self._inflater = Inflater() if compressed else None
        return self._fragment(self._fragments, payload, fin)

    def _fragment(self, fragments: bytearray, payload: bytes, fin: bool) -> Complete | None:
        if self._inflater is not None:
            payload = self._inflated(self._inflater, payload, fin, self._max_message_bytes - len(fragments))
        if len(fragments) + len(payload) > self._max_message_bytes:
            raise self._too_big()
        if self._decode is not None:
            try:
                self._decode.decode(payload, fin)
            except UnicodeDecodeError as error:
                raise _not_text() from error
        fragments += payload
        if not fin:
            return None
        self._fragments = None
        self._decode = None
        self._inflater = None
        return Complete(bytes(fragments), self._text)

    def _inflated(self, inflater: Inflater, payload: bytes, fin: bool, room_bytes: int) -> bytes:
        try:
            inflated = inflater.inflate(payload, fin, room_bytes)
        except ValueError as error:
            raise WebSocketViolation(PROTOCOL_ERROR, str(error)) from None
        counters = self._counters
        if counters is not None:
            counters.packed_bytes += len(payload)
            counters.inflated_bytes += len(inflated or b"")
            counters.messages += fin and inflated is not None
            counters.bombs += inflated is None
        if inflated is None:
            raise self._too_big()
        return inflated

    def _too_big(self) -> WebSocketViolation:
        return WebSocketViolation(TOO_BIG, f"a message may have {self._max_message_bytes} bytes")


def check_control(length: int, fin: bool, rsv: bool) -> None:
    """Holds a ping, pong or close frame against section 5.5.

    Args:
        length: of its payload.
        fin: whether its FIN bit is set.
        rsv: whether any reserved bit is set.

    Raises:
        WebSocketViolation: it breaks a rule.
    """
    if rsv:
        raise WebSocketViolation(PROTOCOL_ERROR, "a reserved bit is set, but no extension was agreed on")
    if not fin:
        raise WebSocketViolation(PROTOCOL_ERROR, "a control frame must not be fragmented")
    if length > MAX_CONTROL_BYTES:
        raise WebSocketViolation(PROTOCOL_ERROR, f"a control frame may have {MAX_CONTROL_BYTES} bytes")


def check_close(payload: bytes) -> tuple[int | None, str]:
    """Reads the payload of a close frame.

    Returns:
        Code and reason; ``None`` and "" where it has none.

    Raises:
        WebSocketViolation: the code must not stand in a frame, or the reason is not UTF-8.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise WebSocketViolation(PROTOCOL_ERROR, "a close frame has a code of two bytes or nothing")
    if len(payload) > MAX_CONTROL_BYTES:
        raise WebSocketViolation(PROTOCOL_ERROR, f"a control frame may have {MAX_CONTROL_BYTES} bytes")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CODES and code not in _APPLICATION_CODES:
        raise WebSocketViolation(PROTOCOL_ERROR, f"the close code {code} must not be sent")
    _check_text(payload[2:])
    return code, payload[2:].decode()


def encode_header(opcode: int, length: int) -> bytes:
    """The header of an unmasked, final frame, as a server sends it.

    Args:
        opcode: of the frame.
        length: of its payload.
    """
    first = 0x80 | opcode
    if length < 126:
        return bytes((first, length))
    if length < 0x10000:
        return bytes((first, 126, length >> 8, length & 0xFF))
    return bytes((first, 127)) + length.to_bytes(8, "big")


def encode_close(code: int, reason: str = "") -> bytes:
    """A whole close frame, unmasked; a reason that is too long for it is cut at a character."""
    told = reason.encode()[: MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    payload = code.to_bytes(2, "big") + told
    return encode_header(CLOSE, len(payload)) + payload


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise _not_text() from error


def _not_text() -> WebSocketViolation:
    return WebSocketViolation(INVALID_TEXT, "text is not UTF-8")
