"""What is wrong with a frame, and in which words the peer is told."""

from __future__ import annotations

import re
from typing import Final

from stompede.errors import RemoteProtocolError
from stompede.wire.stomp.escaping import unescape
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.states import State, legal_commands
from stompede.wire.stomp.tables import RULES, SECRET_HEADERS, Side
from stompede.wire.stomp.versions import Version

LIMIT: Final = "limit"
MALFORMED: Final = "malformed"
HEADER: Final = "header"
COMMAND: Final = "command"
VERSION: Final = "version"

_RECEIPT: Final = re.compile(rb"\nreceipt:([^\n]*)\n")


class FrameRefusedError(RemoteProtocolError):
    """The peer sent a frame that is not taken. The only thing that the decoder raises.

    Attributes:
        code: kind of mistake, as in `Violation`.
        summary: a few words, for the ``message`` header.
        detail: what was wrong and what would be right.
        receipt: the receipt that the frame asked for, where it could be read.
        supported: versions for the ``version`` header, where none was in common.
    """

    def __init__(self, code: str, summary: str, detail: str, *, supported: str | None = None) -> None:
        super().__init__(code, summary, detail)
        self.code = code
        self.summary = summary
        self.detail = detail
        self.supported = supported
        self.receipt: str | None = None

    def __str__(self) -> str:
        return self.detail


def over_limit(name: str, limits: Limits, what: str) -> FrameRefusedError:
    """A bound was passed; ``what`` goes before "allowed"."""
    detail = f"{what} {getattr(limits, name)} allowed ({name})"
    return FrameRefusedError(LIMIT, f"limit {name} exceeded", detail)


def shown(text: str) -> str:
    """Text of the peer, short and printable, for use within a sentence. It goes to logs, so secrets are cut off."""
    plain = text.lower()
    for secret in SECRET_HEADERS:
        if secret in plain:
            return f'"{secret}..."'
    clean = "".join(c if c.isprintable() and c != "\\" else "?" for c in text[:40])
    return f'"{clean}..."' if len(text) > 40 else f'"{clean}"'


def asking(error: FrameRefusedError, receipt: str | None) -> FrameRefusedError:
    """The error, with the receipt that the frame in question asked for."""
    error.receipt = receipt
    return error


def receipt_in(version: Version | None, head: bytes) -> str | None:
    """The receipt that a broken head asks for, from its complete lines; ``None`` where there is none to be
    read."""
    found = _RECEIPT.search(head)
    if found is None:
        return None
    value = found[1]
    if value.endswith(b"\r") and (version is None or version is Version.V1_2):
        value = value[:-1]
    try:
        return unescape(version, value.decode())
    except (UnicodeDecodeError, RemoteProtocolError):
        return None


def first_broken(head: bytes, limits: Limits) -> tuple[int, FrameRefusedError] | None:
    """What is the first thing in a head, whole or not, that is too much; its offset and what to say.

    The first in the octets, not the first to be noticed: so it is the same however they were split.
    """
    at, error = _first_line_over(head, limits)
    if len(head) > limits.max_header_block_bytes < at:
        at = limits.max_header_block_bytes
        error = over_limit("max_header_block_bytes", limits, "command and headers are longer than the")
    nul = head.find(b"\0")
    if 0 <= nul < at:
        at = nul
        detail = (
            "a NUL octet stands among the headers; a blank line must end the headers before the body and the "
            "NUL octet, and lines may end with CR LF only in STOMP 1.2"
        )
        error = FrameRefusedError(MALFORMED, "no blank line after the headers", detail)
    return None if error is None else (at, error)


def _first_line_over(head: bytes, limits: Limits) -> tuple[int, FrameRefusedError | None]:
    """Where a line is too long or too many, and what to say; behind the end where all is well."""
    at = 0
    for number, line in enumerate(head.split(b"\n")):
        # The last line may be the beginning of the blank one.
        if number > limits.max_headers and line not in (b"", b"\r"):
            return at, over_limit("max_headers", limits, "there are more header lines than the")
        if len(line) > limits.max_header_line_bytes:
            what = "a header line has more than the"
            return at + limits.max_header_line_bytes, over_limit("max_header_line_bytes", limits, what)
        at += len(line) + 1
    return at, None


def no_nul(length: int) -> FrameRefusedError:
    """The octet after the body is not NUL."""
    detail = (
        f"content-length says {length}, but the octet after that many is not NUL; "
        "content-length counts octets, not characters, and a NUL octet ends every frame"
    )
    return FrameRefusedError(MALFORMED, "content-length does not fit the body", detail)


_HAPPENED: Final = {
    State.OPEN: "before CONNECT",
    State.CONNECTING: "before CONNECTED",
    State.CONNECTED: "a second time: the session is connected already",
    State.DISCONNECTING: "after DISCONNECT",
    State.CLOSING: "after ERROR",
}


def not_now(command: str, state: State, receiver: Side) -> FrameRefusedError:
    """The command exists, and comes at the wrong time."""
    legal = [each for each in legal_commands(state) if RULES[each].sender is not receiver]
    expected = f"; expected is {' or '.join(legal)}" if 0 < len(legal) <= 3 else ""
    detail = f"{command} must not come {_HAPPENED[state]}{expected}"
    return FrameRefusedError(COMMAND, f"{command} not allowed now", detail)
