"""Heads of SENDs that differ only in what is another on every frame.

A client's SENDs repeat their head but for three lines: ``content-length``, which goes with the body, ``receipt``,
and ``client-request-code``. A template is a head that was parsed, with holes where those values stand. Held against
the octets that come it is a handful of comparisons, where parsing them costs several times as much. What is odd in
any way is left to the parser, which takes it or refuses it in the right words.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final, final

from stompede.errors import RemoteProtocolError
from stompede.wire.stomp.escaping import unescape
from stompede.wire.stomp.head import Head
from stompede.wire.stomp.limits import Limits
from stompede.wire.stomp.versions import Version

_split: Final = re.compile(rb"(?<=\n)(content-length|receipt|client-request-code):([^\n]*)(?=\n)").split
_LENGTH: Final = "content-length"
_RECEIPT: Final = "receipt"
_CODE: Final = "client-request-code"
_NAMES: Final = {name.encode(): name for name in (_LENGTH, _RECEIPT, _CODE)}
_MAX_DIGITS: Final = 18
_ZERO: Final = ord("0")


@final
class Template:
    """The head of a SEND with holes."""

    __slots__ = ("_base", "_first", "_holes", "_max_bytes", "_version")

    def __init__(self, base: Head, version: Version, limits: Limits, pieces: list[bytes]) -> None:
        self._base = base
        self._version = version
        # No line is longer than the head, so one comparison sees to both limits.
        self._max_bytes = min(limits.max_header_line_bytes, limits.max_header_block_bytes)
        self._first = pieces[0] + pieces[1] + b":"
        # For each hole the name, and what stands between it and the next one.
        follows = [pieces[at] + pieces[at + 1] + b":" for at in range(3, len(pieces) - 1, 3)] + [pieces[-1]]
        self._holes = tuple(zip((_NAMES[name] for name in pieces[1::3]), follows, strict=True))

    @classmethod
    def of(cls, head: Head, version: Version, limits: Limits) -> Template | None:
        """The template of a head, where it is worth having one.

        Args:
            head: of a SEND, parsed and found right.
            version: the version that is spoken. 1.0 trims what stands around names and values, so it has no
                templates.
            limits: what heads must keep.

        Returns:
            ``None`` where the head has no holes, or one of the three lines twice; and where it has nothing but a
            content-length: then others send the same, and the cache has it.
        """
        if version is Version.V1_0 or not (head.authorization or head.receipt or head.client_request_code):
            return None
        pieces = _split(head.raw)
        names = pieces[1::3]
        # A value that ends with CR may be the end of its line, as the version wants; it is left to the parser.
        if not names or len(set(names)) != len(names) or any(b"\r" in value for value in pieces[2::3]):
            return None
        return cls(head, version, limits, pieces)

    def head_at(self, data: bytes, pos: int) -> Head | None:
        """The head that begins at ``pos``; ``None`` where it is another one, is odd, or is not all there."""
        if not data.startswith(self._first, pos):
            return None
        at = pos + len(self._first)
        base = self._base
        headers: dict[str, str] = base.headers.copy()  # type: ignore[attr-defined]  # six times as fast as {**headers}
        length = None
        for name, piece in self._holes:
            end = data.find(b"\n", at)
            if not data.startswith(piece, end) or end < 0:
                return None
            value = data[at:end]
            at = end + len(piece)
            if name is _LENGTH:
                if not value.isdigit() or len(value) > _MAX_DIGITS or (value[0] == _ZERO and len(value) > 1):
                    return None
                length = int(value)
                headers[name] = value.decode()
            else:
                if b"\r" in value or b"\0" in value:
                    return None
                try:
                    headers[name] = unescape(self._version, value.decode())
                except (UnicodeDecodeError, RemoteProtocolError):
                    return None
        if at - pos > self._max_bytes:
            return None
        return self._made(data[pos:at], headers, length)

    def _made(self, raw: bytes, headers: dict[str, str], length: int | None) -> Head:
        base = self._base
        code = headers.get(_CODE)
        forwarded = base.forwarded
        if code is not None:
            changed: dict[str, str] = forwarded.copy()  # type: ignore[attr-defined]
            changed[_CODE] = code
            forwarded = MappingProxyType(changed)
        memo = base.memo
        if memo is None and base.variant is not None:
            memo = base.memo = base.variant.memo
        head = Head(
            base.command,
            MappingProxyType(headers),
            raw,
            base.destination,
            length,
            base.content_type,
            headers.get(_RECEIPT),
            base.transaction,
            base.authorization,
            code,
            forwarded,
            memo,
        )
        # What the server notes on a head that was made here would be lost with it: the next one finds it.
        base.variant = head if memo is None else None
        return head


@final
class Templates:
    """The templates of one session, those used last in front. Few, as a client sends to few destinations at a time."""

    __slots__ = ("_templates",)

    LIMIT: Final = 4

    def __init__(self) -> None:
        self._templates: list[Template] = []

    def add(self, template: Template) -> None:
        """Puts a template in front of the others; the last one goes when there are too many."""
        self._templates.insert(0, template)
        del self._templates[self.LIMIT :]

    def head_at(self, data: bytes, pos: int) -> Head | None:
        """The head that begins at ``pos``, where one of the templates fits."""
        for number, template in enumerate(self._templates):
            head = template.head_at(data, pos)
            if head is not None:
                if number:
                    self._templates.insert(0, self._templates.pop(number))
                return head
        return None
