"""What a client sends: a JSON array of strings, or over WebSocket also a single string."""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import parse_qsl

import msgspec

_decode: Final = msgspec.json.Decoder(list[str] | str).decode
_SURROGATE_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_MAX_FIELDS: Final = 16


class BodyRefused(ValueError):  # noqa: N818 - an expected outcome
    """A client's body cannot be read; ``str()`` is the answer that the protocol wants."""


def parse_messages(body: bytes) -> list[bytes]:
    """The messages of a body, as UTF-8; empty ones are left out.

    JavaScript's strings may hold halves of surrogate pairs, which are no Unicode: each becomes U+FFFD.

    Raises:
        BodyRefused: there is no body, or it is neither a JSON array of strings nor a JSON string.
    """
    if not body:
        raise BodyRefused("Payload expected.")
    try:
        found = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _with_lone_surrogates(body)
    return [message.encode() for message in ((found,) if isinstance(found, str) else found) if message]


def _with_lone_surrogates(body: bytes) -> list[str]:
    refused = BodyRefused("Broken JSON encoding.")
    if _SURROGATE_ESCAPE.search(body) is None:
        raise refused
    try:
        found = json.loads(
            body.decode()
        )  # of octets it would also take UTF-16, and surrogates that no UTF-8 has
    except (ValueError, RecursionError):
        raise refused from None
    messages = [found] if isinstance(found, str) else found
    if not isinstance(messages, list) or not all(isinstance(message, str) for message in messages):
        raise refused
    return [_SURROGATE.sub("\ufffd", message) for message in messages]


def form_field(body: bytes, name: str) -> bytes:
    """A field of an ``application/x-www-form-urlencoded`` body; empty where it is missing.

    Raises:
        BodyRefused: the body is no form.
    """
    try:
        fields = parse_qsl(body.decode(), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:  # UnicodeDecodeError is one
        raise BodyRefused("Broken JSON encoding.") from None
    return dict(fields).get(name, "").encode()
