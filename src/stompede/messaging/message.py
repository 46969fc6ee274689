"""A message on its way, after the wire and before the handler or the subscribers."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from stompede._types import NO_HEADERS


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message with the destination it was sent or published to.

    Attributes:
        destination: where it goes, as the sender wrote it, unescaped.
        body: the payload as it came; never decoded twice.
        content_type: MIME type of the body, or ``None`` where the sender named none.
        headers: the sender's other headers, read-only; the protocol's own and secret ones
            (``Authorization``, ``login``, ``passcode``, ``receipt``, ``transaction``) are never among them.
    """

    destination: str
    body: bytes
    content_type: str | None = None
    headers: Mapping[str, str] = NO_HEADERS
