"""What a publication is in bytes: one JSON object, the same on every bus, which other programs write and read, too.

=====================  ================================================================================================
``principalName``      ``null``: everybody subscribed to the destination. With a destination under the session prefix:
                       the id of the one session. With one under the user prefix: the name of the member.
``destination``        where it goes
``messageJsonString``  the body, as text; an empty text where ``bodyBase64`` stands
``v``                  version of the envelope; may be left out
``contentType``        MIME type of the body; may be left out
``headers``            further headers, texts; may be left out
``bodyBase64``         a body that is not UTF-8; may be left out
``id``                 position that a history gave it; may be left out. It stands last: a script in the store adds it
=====================  ================================================================================================

Readers leave out what they do not know, so a node with a newer version beside an older one works.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

import msgspec

from stompede._types import NO_HEADERS
from stompede.messaging.message import Message
from stompede.server.fanout.publication import Publication

VERSION: Final = 1


class _Envelope(msgspec.Struct, rename="camel", omit_defaults=True, gc=False):
    principal_name: str | None
    destination: str
    message_json_string: str
    v: int = 0
    content_type: str | None = None
    headers: dict[str, str] | None = None
    body_base64: str | None = msgspec.field(default=None, name="bodyBase64")
    id: str | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Envelope).decode


def dump(publication: Publication) -> bytes:
    """The bytes of a publication."""
    message = publication.message
    text, base64_text = _as_text(message.body)
    return _encode(
        _Envelope(
            publication.principal,
            message.destination,
            text,
            VERSION,
            message.content_type,
            dict(message.headers) if message.headers else None,
            base64_text,
            publication.id,
        )
    )


def load(data: bytes) -> Publication:
    """The publication that bytes are.

    Raises:
        ValueError: they are none; the sentence says what is missing.
    """
    envelope = _decode(data)  # msgspec.ValidationError is a ValueError
    body = envelope.message_json_string.encode()
    if envelope.body_base64 is not None:
        try:
            body = base64.b64decode(envelope.body_base64, validate=True)
        except binascii.Error as error:
            raise ValueError(f"bodyBase64: {error}") from None
    headers: Any = envelope.headers or NO_HEADERS
    message = Message(envelope.destination, body, envelope.content_type, headers)
    return Publication(message, envelope.principal_name, envelope.id)


def dump_message(message: Message) -> bytes:
    """The bytes of a message for everybody, without a position."""
    return dump(Publication(message))


def load_message(data: bytes) -> Message:
    """The message that bytes are.

    Raises:
        ValueError: they are none.
    """
    return load(data).message


def _as_text(body: bytes) -> tuple[str, str | None]:
    try:
        return body.decode(), None
    except UnicodeDecodeError:
        return "", base64.b64encode(body).decode()
