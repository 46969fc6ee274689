"""From WebSocket frames to messages: fragments, text, close codes and reserved bits (RFC 6455 sections 5 and 7).

A parser below has cut the bytes into frames and removed the mask; what it leaves to check is here.
"""

from __future__ import annotations

import codecs
import struct
from typing import Final

import msgspec

from stompede.errors import RemoteProtocolError

_CONTINUATION: Final = 0
_TEXT: Final = 1
_BINARY: Final = 2
_MAX_CONTROL_BYTES: Final = 125
_CLOSE: Final = 0x88
_decoder = codecs.getincrementaldecoder("utf-8")


class WebSocketViolation(RemoteProtocolError):  # noqa: N818 - the public name: it is what the peer did
    """The peer broke RFC 6455 or a limit.

    Attributes:
        code: close code to send.
        reason: reason to send with it.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason} ({self.code})"


class Complete(msgspec.Struct, frozen=True, gc=False):
    """A whole message: ``data``, and whether it is ``text``."""

    data: bytes
    text: bool


class MessageAssembler:
    """Makes messages of data frames.

    Args:
        max_message_bytes: longest message; a longer one is refused with the fragment that makes it too long.
    """

    __slots__ = ("_decoder", "_length", "_max", "_parts", "_text")

    def __init__(self, max_message_bytes: int) -> None:
        self._max = max_message_bytes
        self._parts: list[bytes] | None = None
        self._length = 0
        self._text = False
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def buffered_bytes(self) -> int:
        """Bytes of a message that is not complete."""
        return self._length

    def frame(self, opcode: int, payload: bytes, fin: bool, rsv: bool) -> Complete | None:
        """Takes one data frame.

        Args:
            opcode: 0 continuation, 1 text, 2 binary.
            payload: unmasked.
            fin: whether the message ends with it.
            rsv: whether any reserved bit is set; no extension is negotiated that would use one.

        Returns:
            the message, or ``None`` while it is not complete.

        Raises:
            WebSocketViolation: 1002 for a broken rule, 1007 for text that is not UTF-8 (as soon as it is seen), 1009 for
                a message that is too long.
        """
        if rsv:
            raise WebSocketViolation(1002, "a reserved bit is set, and no extension was negotiated")
        if opcode == _CONTINUATION:
            if self._parts is None:
                raise WebSocketViolation(1002, "a continuation frame without a message to continue")
        elif opcode not in (_TEXT, _BINARY):
            raise WebSocketViolation(1002, f"opcode {opcode} is reserved")
        elif self._parts is not None:
            raise WebSocketViolation(1002, "a new message began before the one before it ended")
        else:
            self._begin(opcode == _TEXT)
        self._length += len(payload)
        if self._length > self._max:
            raise WebSocketViolation(1009, f"the message is longer than {self._max} bytes")
        if self._decoder is not None:
            try:
                self._decoder.decode(payload, fin)
            except UnicodeDecodeError:
                raise WebSocketViolation(1007, "a text message is not UTF-8") from None
        assert self._parts is not None
        self._parts.append(payload)
        if not fin:
            return None
        data = payload if len(self._parts) == 1 else b"".join(self._parts)
        text = self._text
        self._parts = None
        self._decoder = None
        self._length = 0
        return Complete(data, text)

    def _begin(self, text: bool) -> None:
        self._parts = []
        self._length = 0
        self._text = text
        self._decoder = _decoder() if text else None


def encode_header(opcode: int, length: int) -> bytes:
    """Header of an unmasked, final frame (RFC 6455 section 5.2)."""
    if length < 126:
        return bytes((0x80 | opcode, length))
    if length < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, length)
    return struct.pack("!BBQ", 0x80 | opcode, 127, length)


def encode_close(code: int, reason: str = "") -> bytes:
    """A whole close frame, unmasked; a reason that is too long is cut at a character."""
    text = reason.encode()[: _MAX_CONTROL_BYTES - 2].decode(errors="ignore").encode()
    return struct.pack("!BBH", _CLOSE, 2 + len(text), code) + text


def check_close(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a close frame's payload; ``None`` where it names no code (RFC 6455 section 7.4).

    Raises:
        WebSocketViolation: the payload is malformed, or the code may not stand on the wire.
    """
    if not payload:
        return None, ""
    if len(payload) == 1:
        raise WebSocketViolation(1002, "a close frame with half a code")
    code = int.from_bytes(payload[:2])
    # 1004 to 1006 and 1015 are never sent; 1016 to 2999 are reserved for later versions of the protocol.
    if not (1000 <= code <= 1014 or 3000 <= code <= 4999) or 1004 <= code <= 1006:
        raise WebSocketViolation(1002, f"close code {code} may not be sent")
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        raise WebSocketViolation(1007, "the reason of a close frame is not UTF-8") from None


def check_control(length: int, fin: bool, rsv: bool) -> None:
    """Holds a ping, pong or close frame against RFC 6455 section 5.5.

    Raises:
        WebSocketViolation: it is fragmented, too long, or has a reserved bit.
    """
    if rsv:
        raise WebSocketViolation(1002, "a reserved bit is set, and no extension was negotiated")
    if not fin:
        raise WebSocketViolation(1002, "a control frame may not be fragmented")
    if length > _MAX_CONTROL_BYTES:
        raise WebSocketViolation(1002, f"a control frame has at most {_MAX_CONTROL_BYTES} bytes")
