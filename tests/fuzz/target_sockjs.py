"""What must hold of SockJS: `sockjs`. The first octet says what the rest is: a body, a form, a path, or text."""

from __future__ import annotations

import json
import re

from stompede.wire.sockjs import (
    CALLBACK,
    BodyRefused,
    Location,
    Place,
    array_frame,
    close_frame,
    form_field,
    iframe_page,
    locate,
    parse_messages,
    prefix,
    quote,
    split,
    wrapping_for,
)

SURROGATES = re.compile("[\ud800-\udfff]")
# What browsers' transports lose or change (sockjs-protocol, "JSON Unicode Encoding").
MANGLED = re.compile("[\x00-\x1f\ud800-\udfff\u200c-\u200f\u2028-\u202f\u2060-\u206f\ufff0-\uffff]")


def messages_of(body: bytes) -> list[bytes] | None:
    """The messages of a body by Python's own JSON; ``None`` where it is to be refused."""
    try:
        found = json.loads(body.decode())
    except (ValueError, RecursionError):
        return None
    told = [found] if isinstance(found, str) else found
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        return None
    return [SURROGATES.sub("\ufffd", each).encode() for each in told if each]


def body(data: bytes) -> None:
    """A body of a client: Python's own JSON says the same."""
    try:
        found = parse_messages(data)
    except BodyRefused:
        assert messages_of(data) is None
    else:
        assert found == messages_of(data)
        for message in found:
            message.decode()


def form(data: bytes) -> None:
    """A form, and the body in it."""
    try:
        field = form_field(data, "d")
    except BodyRefused:
        return
    field.decode()
    body(field)


def path(data: bytes) -> None:
    """A path leads somewhere or nowhere."""
    rest = data.decode("utf-8", "replace")
    found = locate(rest)
    if found is not None:
        assert type(found) is Location
        assert 0 <= len(found.session) <= 128
        assert not set(found.session) & set("/.")
    page = iframe_page(rest)
    assert page.count(b"<script") == 2
    if CALLBACK.fullmatch(rest):
        assert wrapping_for(Place.HTMLFILE, rest).prelude.count(b"<script") == 1


def text(data: bytes) -> None:
    """What is sent arrives, whatever a transport does to it."""
    texts = data.decode("utf-8", "replace").split("\x1e")
    frame = array_frame([quote(texts[:1]), quote(texts[1:])] if len(texts) > 1 else [quote(texts)])
    assert MANGLED.search(frame.decode()) is None
    assert json.loads(frame[1:]) == texts
    assert parse_messages(frame[1:]) == [each.encode() for each in texts if each]
    closing = close_frame(3000, texts[0])
    assert json.loads(closing[1:]) == [3000, texts[0]]
    for place in (Place.XHR, Place.XHR_STREAMING, Place.EVENTSOURCE):
        wrapping = wrapping_for(place, "")
        assert wrapping.wrap(frame) == wrapping.before + frame + wrapping.after
    for place in (Place.HTMLFILE, Place.JSONP):
        wrapping = wrapping_for(place, "c")
        script = wrapping.wrap(frame)[len(wrapping.before) : -len(wrapping.after)]
        assert b"<" not in script
        assert json.loads(script).encode() == frame
    encoded = [each.encode() for each in texts]
    joined = b"".join(prefix(len(each), bool(number % 2)) + each for number, each in enumerate(encoded))
    assert list(split(joined)) == [each if number % 2 else None for number, each in enumerate(encoded)]


KINDS = (body, form, path, text)


def sockjs(data: bytes) -> None:
    """All that must hold of SockJS."""
    if data:
        KINDS[data[0] % 4](data[1:])


def sockjs_once(data: bytes, _: object = None) -> tuple[int, int]:
    """Takes a body; returns how many messages were in it, and whether it was refused."""
    try:
        return len(parse_messages(data[1:])), 0
    except BodyRefused:
        return 0, 1
