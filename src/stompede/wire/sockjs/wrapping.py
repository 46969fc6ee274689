"""How each HTTP transport wraps a frame, and what it sends before the first."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from stompede.wire.sockjs.pages import HTMLFILE_HEAD
from stompede.wire.sockjs.paths import Place

# A name of a function, as sockjs-client makes them: nothing else may come into a script.
CALLBACK: Final = re.compile(r"[A-Za-z0-9_.\-]{1,128}")
# Some browsers show a script nothing of a response before its first kilobytes.
_XHR_PRELUDE: Final = b"h" * 2048 + b"\n"
_HTMLFILE_PAD: Final = 1024
_JAVASCRIPT: Final = "application/javascript; charset=UTF-8"
_EVENTS: Final = "text/event-stream; charset=UTF-8"
_HTML: Final = "text/html; charset=UTF-8"


class Wrapping(msgspec.Struct, frozen=True):
    """The form of one transport's responses.

    Attributes:
        content_type: of the response.
        streaming: whether a response carries many frames; else it ends after one.
        prelude: bytes before the first frame.
        before: bytes before each frame.
        after: bytes behind each frame.
        as_script: whether a frame stands as a string within a script.
    """

    content_type: str
    streaming: bool
    prelude: bytes = b""
    before: bytes = b""
    after: bytes = b"\n"
    as_script: bool = False

    def wrap(self, frame: bytes) -> bytes:
        """The bytes of one frame."""
        return self.before + (_script_string(frame) if self.as_script else frame) + self.after


_FIXED: Final = {
    Place.XHR: Wrapping(_JAVASCRIPT, streaming=False),
    Place.XHR_STREAMING: Wrapping(_JAVASCRIPT, streaming=True, prelude=_XHR_PRELUDE),
    Place.EVENTSOURCE: Wrapping(
        _EVENTS, streaming=True, prelude=b"\r\n", before=b"data: ", after=b"\r\n\r\n"
    ),
}


def wrapping_for(place: Place, callback: str) -> Wrapping:
    """The form of the responses at a place that sends frames.

    Args:
        place: one of ``XHR``, ``XHR_STREAMING``, ``EVENTSOURCE``, ``HTMLFILE``, ``JSONP``.
        callback: the function that the last two call; it matches `CALLBACK`.
    """
    if place is Place.JSONP:
        return Wrapping(
            _JAVASCRIPT, streaming=False, before=f"{callback}(".encode(), after=b");\r\n", as_script=True
        )
    if place is Place.HTMLFILE:
        head = HTMLFILE_HEAD % callback.encode()
        return Wrapping(
            _HTML,
            streaming=True,
            prelude=head + b" " * max(0, _HTMLFILE_PAD - len(head)) + b"\r\n\r\n",
            before=b"<script>\np(",
            after=b");\n</script>\r\n",
            as_script=True,
        )
    return _FIXED[place]


def _script_string(frame: bytes) -> bytes:
    # A message may hold </script>; as \u003c it is the same string and ends nothing.
    return msgspec.json.encode(frame.decode()).replace(b"<", b"\\u003c")
