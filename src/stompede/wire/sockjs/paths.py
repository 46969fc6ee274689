"""What stands at which path below an endpoint."""

from __future__ import annotations

import enum
import re
from typing import Final

import msgspec

_IFRAME: Final = re.compile(r"/iframe[0-9-.a-z_]*\.html")
_MAX_ID: Final = 128


class Place(enum.Enum):
    """What a path leads to. The values of session transports are the last parts of their paths."""

    GREETING = ""
    INFO = "info"
    IFRAME = "iframe"
    RAW_WEBSOCKET = "raw websocket"
    WEBSOCKET = "websocket"
    XHR = "xhr"
    XHR_SEND = "xhr_send"
    XHR_STREAMING = "xhr_streaming"
    EVENTSOURCE = "eventsource"
    HTMLFILE = "htmlfile"
    JSONP = "jsonp"
    JSONP_SEND = "jsonp_send"


class Location(msgspec.Struct, frozen=True):
    """A path that was understood.

    Attributes:
        place: what it leads to.
        session: the session's id, chosen by the client; empty where there is none.
    """

    place: Place
    session: str = ""


# By the names that sockjs-client gives the transports: what each needs.
TRANSPORTS: Final = {
    "websocket": frozenset({Place.WEBSOCKET, Place.RAW_WEBSOCKET}),
    "xhr-streaming": frozenset({Place.XHR_STREAMING, Place.XHR_SEND}),
    "xhr-polling": frozenset({Place.XHR, Place.XHR_SEND}),
    "eventsource": frozenset({Place.EVENTSOURCE, Place.XHR_SEND}),
    "htmlfile": frozenset({Place.HTMLFILE, Place.XHR_SEND}),
    "jsonp-polling": frozenset({Place.JSONP, Place.JSONP_SEND}),
    "iframe": frozenset({Place.IFRAME}),
}
_OF_A_SESSION: Final = {
    place.value: place
    for place in Place
    if place not in (Place.GREETING, Place.INFO, Place.IFRAME, Place.RAW_WEBSOCKET)
}
_FIXED: Final = {
    "": Location(Place.GREETING),
    "/": Location(Place.GREETING),
    "/info": Location(Place.INFO),
    "/websocket": Location(Place.RAW_WEBSOCKET),
}


def locate(rest: str) -> Location | None:
    """Understands a path.

    Args:
        rest: what follows the endpoint's own path.

    Returns:
        ``None`` where SockJS has nothing.
    """
    fixed = _FIXED.get(rest)
    if fixed is not None:
        return fixed
    if _IFRAME.fullmatch(rest):
        return Location(Place.IFRAME)
    parts = rest.split("/")
    if len(parts) != 4 or parts[0]:
        return None
    _, server, session, transport = parts
    place = _OF_A_SESSION.get(transport)
    if place is None or not (_is_id(server) and _is_id(session)):
        return None
    return Location(place, session)


def _is_id(part: str) -> bool:
    return 0 < len(part) <= _MAX_ID and "." not in part
