"""The head of a frame, command and headers, in its parsed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Head(msgspec.Struct):
    """Command and headers of a frame, parsed once per distinct header block and then shared by all frames that repeat it.

    All but `memo` is read-only.

    Attributes:
        command: for example ``SEND``.
        headers: all headers, unescaped; of a repeated one the first.
        raw: the bytes that this was made from, up to and including the blank line.
        destination: the ``destination`` header, or ``None``; so with those that follow.
        content_length: octets of the body as declared.
        content_type: MIME type of the body.
        receipt: the receipt that the frame asks for.
        transaction: the transaction that it belongs to.
        authorization: value of ``Authorization``, whatever the case of its name.
        client_request_code: what the client wants its answer to carry.
        forwarded: the headers that may go on to a MESSAGE, to handlers and to logs: the protocol's own and the secret ones are not among them.
        memo: a place for the server to note what it found out for this head; shared as the head is.
    """

    command: str
    headers: Mapping[str, str]
    raw: bytes
    destination: str | None
    content_length: int | None
    content_type: str | None
    receipt: str | None
    transaction: str | None
    authorization: str | None
    client_request_code: str | None
    forwarded: Mapping[str, str]
    memo: Any = None
