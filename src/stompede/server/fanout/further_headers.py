"""Which headers an application may give a message."""

from __future__ import annotations

from collections.abc import Mapping

from stompede.wire.stomp.tables import PROTOCOL_HEADERS, SECRET_HEADERS


def check_headers(headers: Mapping[str, str]) -> None:
    """Holds the headers of a message to what those of a SEND may be, once, where the message is made.

    Raises:
        ValueError: one is secret, or the server writes it itself.
        TypeError: a name or a value is no text.
    """
    for name, value in headers.items():
        if type(name) is not str or type(value) is not str:
            raise TypeError(f"header {name!r}: {value!r} is no str; write str(...), STOMP's headers are text")
        if name.strip().lower() in SECRET_HEADERS:
            raise ValueError(f"header {name!r} is secret and never stands in a MESSAGE; leave it out")
        if name in PROTOCOL_HEADERS:
            raise ValueError(
                f"header {name!r} has a meaning of its own in STOMP, and the server writes it where it belongs; "
                "choose another name"
            )
