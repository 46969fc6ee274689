"""What an application may give a message. Whatever cannot be written would be found where frames are made, for all
subscribers at once, or when a queue hands it on: so it is refused where the message is made.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from stompede.messaging.message import Message
from stompede.wire.stomp.tables import PROTOCOL_HEADERS, SECRET_HEADERS


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Holds the headers of a message to what those of a SEND may be, once, where the message is made.

    Returns:
        a copy: whoever made them may go on with the mapping.

    Raises:
        ValueError: one is secret, or the server writes it itself; a name is empty, or a text is no UTF-8.
        TypeError: a name or a value is no text.
    """
    own = dict(headers)
    for name, value in own.items():
        if type(name) is not str or type(value) is not str:
            raise TypeError(f"header {name!r}: {value!r} is no str; write str(...), STOMP's headers are text")
        if not name:
            raise ValueError(f"a header without a name has the value {value!r}; give it one")
        check_text("header", name)
        check_text(f"header {name}", value)
        if name.strip().lower() in SECRET_HEADERS:
            raise ValueError(f"header {name!r} is secret and never stands in a MESSAGE; leave it out")
        if name in PROTOCOL_HEADERS:
            raise ValueError(
                f"header {name!r} has a meaning of its own in STOMP, and the server writes it where it belongs; "
                "choose another name"
            )
    return own


def check_text(what: str, text: str) -> None:
    """Whether a text can be written at all.

    Args:
        what: stands before it in the sentence.
        text: the text.

    Raises:
        ValueError: it has half of a surrogate pair, as JSON from elsewhere may bring it.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{what}: {text!r} cannot be written as UTF-8; it has half of a surrogate pair at {error.start}"
            ) from None


def checked_message(message: Message) -> Message:
    """Holds a message that an interceptor changed to what a SEND may bring.

    Returns:
        the message, with headers of its own.

    Raises:
        ValueError: a header as for `checked_headers`, or a content type that cannot be written.
        TypeError: the body is not ``bytes``, or a text is none.
    """
    if type(message.body) is not bytes:
        raise TypeError(f"the body of a message is {type(message.body).__name__}; it must be bytes")
    if message.content_type is not None:
        if type(message.content_type) is not str:
            raise TypeError(f"content_type: {message.content_type!r} is no str")
        check_text("content_type", message.content_type)
    if message.headers:
        return msgspec.structs.replace(message, headers=checked_headers(message.headers))
    return message
