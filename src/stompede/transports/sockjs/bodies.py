"""The bodies of requests, bounded before the memory is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from stompede.transports.asgi import Receive
from stompede.transports.sockjs.options import SockJsOptions
from stompede.wire.sockjs import BodyRefused, form_field, parse_messages

_MAX_DIGITS: Final = 18
# Who sends nothing for so long in the middle of a body has most likely gone.
_PART_TIMEOUT_S: Final = 30.0


BODY_TIMEOUT_S: Final = 60.0
"""A whole body takes no longer. The largest that the settings allow by default comes with 140 kbit/s in that time."""


class BodyTooLarge(Exception):  # noqa: N818 - an expected outcome
    """A body, or a message in it, goes beyond a limit; ``str()`` names it."""


class BodyTooSlow(Exception):  # noqa: N818 - an expected outcome
    """A body stopped coming."""


async def read_messages(
    receive: Receive, headers: Mapping[str, str], options: SockJsOptions, progress: Callable[[], None]
) -> list[bytes]:
    """Reads a request's body to its end, and the messages in it.

    Args:
        receive: ASGI receive.
        headers: names in lower case.
        options: the limits.
        progress: called for each part that comes.

    Raises:
        BodyTooLarge: beyond ``max_post_bytes`` or ``max_message_bytes``.
        BodyTooSlow: it stopped coming.
        BodyRefused: it cannot be understood.
    """
    limit = options.max_post_bytes
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > _MAX_DIGITS or int(length) > limit):
        raise BodyTooLarge(f"a body of more than {limit} bytes (sockjs_max_post_bytes)")
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
            break
    return _parsed(bytes(body), headers, options.max_message_bytes)


async def _part(receive: Receive) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(_PART_TIMEOUT_S):
            return await receive()
    except TimeoutError:
        raise BodyTooSlow from None


def _parsed(body: bytes, headers: Mapping[str, str], limit: int) -> list[bytes]:
    if (
        headers.get("content-type", "").partition(";")[0].strip().lower()
        == "application/x-www-form-urlencoded"
    ):
        body = form_field(body, "d")
    messages = parse_messages(body)
    if any(len(message) > limit for message in messages):
        raise BodyTooLarge(f"a message of more than {limit} bytes (max_message_bytes)")
    return messages
