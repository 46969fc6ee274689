"""The bodies of requests, bounded before the memory is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from stompede.transports.asgi import Receive
from stompede.transports.sockjs.options import SockJsOptions
from stompede.wire.sockjs import BodyRefused, form_field, parse_messages

_MAX_DIGITS: Final = 18
_FORM: Final = "application/x-www-form-urlencoded"
# Who sends nothing for so long in the middle of a body has most likely gone.
_PART_TIMEOUT_S: Final = 30.0


BODY_TIMEOUT_S: Final = 60.0
"""A whole body takes no longer. The largest that the settings allow by default comes with 140 kbit/s in that time."""


class BodyTooLarge(Exception):  # noqa: N818 - an expected outcome
    """A body, or a message in it, goes beyond a limit; ``str()`` names it."""


class BodyTooSlow(Exception):  # noqa: N818 - an expected outcome
    """A body stopped coming."""


async def read_messages(
    receive: Receive,
    headers: Mapping[str, str],
    options: SockJsOptions,
    progress: Callable[[], None],
    *,
    forms: bool,
) -> list[bytes]:
    """Reads a request's body to its end, and the messages in it.

    Args:
        receive: ASGI receive.
        headers: names in lower case.
        options: the limits.
        progress: called for each part that comes.
        forms: whether a body may be a form. Else it is JSON, whatever its type says: clients send none that is right,
            and HTTP libraries call what has none a form.

    Raises:
        BodyTooLarge: beyond ``max_post_bytes`` or ``max_message_bytes``.
        BodyTooSlow: it stopped coming.
        BodyRefused: it cannot be understood.
    """
    limit = options.max_post_bytes
    length = headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and (len(length) > _MAX_DIGITS or int(length) > limit):
        raise BodyTooLarge(f"a body of more than {limit} bytes (sockjs_max_post_bytes)")
    data = await _whole(receive, limit, progress)
    if forms and headers.get("content-type", "").partition(";")[0].strip().lower() == _FORM:
        data = form_field(data, "d")
    messages = parse_messages(data)
    if any(len(message) > options.max_message_bytes for message in messages):
        raise BodyTooLarge(f"a message of more than {options.max_message_bytes} bytes (max_message_bytes)")
    return messages


async def _whole(receive: Receive, limit: int, progress: Callable[[], None]) -> bytes:
    body = bytearray()
    while True:
        event = await _part(receive)
        if event["type"] == "http.disconnect":
            raise BodyRefused("Payload expected.")
        body += event.get("body", b"")
        if len(body) > limit:
            raise BodyTooLarge(f"a body of more than {limit} bytes (sockjs_max_post_bytes)")
        progress()
        if not event.get("more_body", False):
            return bytes(body)


async def _part(receive: Receive) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(_PART_TIMEOUT_S):
            return await receive()
    except TimeoutError:
        raise BodyTooSlow from None
