"""What is wrong with a frame, and in which words the peer is told."""

from __future__ import annotations

import re
from typing import Final

from stompede.errors import RemoteProtocolError
from stompede.wire.stomp.escaping import unescape
from stompede.wire.stomp.limits import Limits
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
    """Text of the peer, short and printable, for use within a sentence."""
    clean = "".join(c if c.isprintable() and c != "\\" else "?" for c in text[:40])
    return f'"{clean}..."' if len(text) > 40 else f'"{clean}"'


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
