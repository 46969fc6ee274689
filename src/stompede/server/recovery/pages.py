"""Encoded stretches of histories, shared by all who recover them.

A stretch is cut at offsets that are multiples of a number, so that clients who left off at different places still
share all but their first piece. A piece is encoded once for each shape of MESSAGE, and joined once for each
subscription id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, final

import msgspec

from stompede.messaging.message import Message
from stompede.server.fanout.topics import CohortKey, Pending, Shape, is_text, pieces_of_tick
from stompede.store import Kept
from stompede.wire.stomp import escape

ALIGNED: Final = 64  # messages
_PIECE_BYTES: Final = 64 * 1024
_KEPT_BYTES: Final = 8 * 1024 * 1024

Items = Sequence[Kept[Message]]


def recovered(message: Message) -> Message:
    """The message as it is delivered from a history."""
    return msgspec.structs.replace(message, headers={**message.headers, "recovered": "true"})


def first_piece(items: Items, start: int) -> int:
    """Where the piece that begins at index ``start`` ends."""
    size = 0
    for index in range(start, len(items)):
        size += len(items[index].item.body)
        if size > _PIECE_BYTES and index > start:
            return index
        if (items[index].position.offset + 1) % ALIGNED == 0:
            return index + 1
    return len(items)


def frames_for(key: CohortKey, messages: Sequence[tuple[str, Message]]) -> bytes:
    """The frames of some messages, with their ids, for one subscriber."""
    framing, version, subscription = key
    sid = b"" if subscription is None else escape(version, subscription).encode()
    pending = [(message_id, message, is_text(message.body)) for message_id, message in messages]
    shape = Shape(framing, version, None if subscription is None else len(sid))
    return sid.join(pieces_of_tick(pending, shape))


@final
class Pages:
    """Encodes pieces, and keeps the latest of them while they may be shared; bounded in bytes.

    Attributes:
        encoded: pieces encoded since the start.
        shared: pieces taken as they were since the start.
    """

    def __init__(self) -> None:
        self._joined: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._pieces: OrderedDict[tuple[object, ...], list[bytes]] = OrderedDict()
        self._bytes = 0
        self.encoded = 0
        self.shared = 0

    def data(self, destination: str, key: CohortKey, items: Items, start: int, end: int) -> bytes:
        """The frames of a piece for a subscriber."""
        stretch = (destination, items[start].position, items[end - 1].position)
        wanted = (*stretch, key)
        data = self._joined.get(wanted)
        if data is not None:
            self.shared += 1
            return data
        framing, version, subscription = key
        sid = b"" if subscription is None else escape(version, subscription).encode()
        shape = (*stretch, framing, version, None if subscription is None else len(sid))
        pieces = self._pieces.get(shape)
        if pieces is None:
            self.encoded += 1
            pending = [_pending(kept) for kept in items[start:end]]
            pieces = pieces_of_tick(pending, Shape(framing, version, shape[-1]))
            self._pieces[shape] = pieces
            self._bytes += sum(map(len, pieces))
        else:
            self.shared += 1
        data = self._joined[wanted] = sid.join(pieces)
        self._bytes += len(data)
        self._shrink()
        return data

    @property
    def kept_bytes(self) -> int:
        """Bytes that are kept now."""
        return self._bytes

    def clear(self) -> None:
        """Nobody recovers any more: nothing is kept."""
        self._joined.clear()
        self._pieces.clear()
        self._bytes = 0

    def _shrink(self) -> None:
        while self._bytes > _KEPT_BYTES and (self._joined or self._pieces):
            if self._joined:
                self._bytes -= len(self._joined.popitem(last=False)[1])
            if self._pieces and self._bytes > _KEPT_BYTES:
                self._bytes -= sum(map(len, self._pieces.popitem(last=False)[1]))


def _pending(kept: Kept[Message]) -> Pending:
    message = recovered(kept.item)
    return str(kept.position), message, is_text(message.body)
