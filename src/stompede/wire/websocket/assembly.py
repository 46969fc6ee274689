"""Stub."""

from __future__ import annotations

import msgspec

from stompede.errors import RemoteProtocolError


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
    """Makes messages of frames. A control frame is checked, and gives ``None``: the caller knows its opcode."""

    def __init__(self, max_message_bytes: int) -> None:
        raise NotImplementedError

    def frame(self, opcode: int, payload: bytes, fin: bool, rsv: bool) -> Complete | None:
        """Takes one frame."""
        raise NotImplementedError


def encode_header(opcode: int, length: int) -> bytes:
    """Header of an unmasked, final frame."""
    raise NotImplementedError


def encode_close(code: int, reason: str = "") -> bytes:
    """A whole close frame, unmasked."""
    raise NotImplementedError


def check_close(payload: bytes) -> tuple[int | None, str]:
    """Code and reason of a close frame's payload."""
    raise NotImplementedError


def check_control(length: int, fin: bool, rsv: bool) -> None:
    """Rules of ping, pong and close frames."""
    raise NotImplementedError
