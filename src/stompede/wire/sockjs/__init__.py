"""SockJS without I/O: its frames, its messages, its paths, and how each transport wraps a frame.

The protocol is that of sockjs-protocol 0.3.3. Bytes in, bytes out; no clock, and no id is made here.
"""

from stompede.wire.sockjs.frames import HEART_BEAT as HEART_BEAT
from stompede.wire.sockjs.frames import OPEN as OPEN
from stompede.wire.sockjs.frames import array_frame as array_frame
from stompede.wire.sockjs.frames import close_frame as close_frame
from stompede.wire.sockjs.frames import quote as quote
from stompede.wire.sockjs.messages import BodyRefused as BodyRefused
from stompede.wire.sockjs.messages import form_field as form_field
from stompede.wire.sockjs.messages import parse_messages as parse_messages
from stompede.wire.sockjs.pages import iframe_page as iframe_page
from stompede.wire.sockjs.paths import TRANSPORTS as TRANSPORTS
from stompede.wire.sockjs.paths import Location as Location
from stompede.wire.sockjs.paths import Place as Place
from stompede.wire.sockjs.paths import locate as locate
from stompede.wire.sockjs.prefixed import prefix as prefix
from stompede.wire.sockjs.prefixed import split as split
from stompede.wire.sockjs.wrapping import CALLBACK as CALLBACK
from stompede.wire.sockjs.wrapping import Wrapping as Wrapping
from stompede.wire.sockjs.wrapping import wrapping_for as wrapping_for

__all__ = [
    "CALLBACK",
    "HEART_BEAT",
    "OPEN",
    "TRANSPORTS",
    "BodyRefused",
    "Location",
    "Place",
    "Wrapping",
    "array_frame",
    "close_frame",
    "form_field",
    "iframe_page",
    "locate",
    "parse_messages",
    "prefix",
    "quote",
    "split",
    "wrapping_for",
]
