import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.wire.sockjs import array_frame, close_frame, iframe_page, prefix, quote, split, wrapping_for
from stompede.wire.sockjs.paths import Place

# sockjs-protocol 0.3.3, "JSON Unicode Encoding": what a server must not send as it is.
MUST_ESCAPE = [
    *range(0x20),
    *range(0x200C, 0x2010),
    *range(0x2028, 0x2030),
    *range(0x2060, 0x2070),
    *range(0xFFF0, 0x10000),
]
texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


@given(texts)
def test_what_is_quoted_reads_as_it_was(messages: list[str]) -> None:
    assert json.loads(array_frame([quote(messages)] if messages else [])[1:]) == messages


@given(st.lists(texts.filter(bool)))
def test_quoted_parts_may_be_joined(parts: list[list[str]]) -> None:
    frame = array_frame([quote(part) for part in parts])
    assert json.loads(frame[1:]) == [message for part in parts for message in part]


@pytest.mark.parametrize("code", MUST_ESCAPE)
def test_characters_that_browsers_mangle_are_escaped(code: int) -> None:
    quoted = quote(["é" + chr(code)]).decode()
    assert chr(code) not in quoted
    assert json.loads(quoted) == "é" + chr(code)


def test_other_characters_go_as_they_are() -> None:
    assert quote(["안녕, grüße 😀"]).decode() == '"안녕, grüße 😀"'


def test_escapes_beyond_those_of_json_have_four_small_digits() -> None:
    assert quote(["\u2028\uffff"]) == b'"\\u2028\\uffff"'


def test_a_close_frame_carries_code_and_reason() -> None:
    assert close_frame(3000, "Go away!") == b'c[3000,"Go away!"]'
    assert close_frame(1002, 'a "b" \u2028') == b'c[1002,"a \\"b\\" \\u2028"]'


@given(st.lists(st.tuples(st.binary(), st.booleans())))
def test_prefixed_messages_split_as_they_were(messages: list[tuple[bytes, bool]]) -> None:
    data = b"".join(prefix(len(message), text) + message for message, text in messages)
    assert list(split(data)) == [message if text else None for message, text in messages]


def test_each_transport_wraps_a_frame_in_its_own_way() -> None:
    frame = b'a["x"]'
    assert wrapping_for(Place.XHR, "").wrap(frame) == b'a["x"]\n'
    assert wrapping_for(Place.XHR_STREAMING, "").wrap(frame) == b'a["x"]\n'
    assert wrapping_for(Place.EVENTSOURCE, "").wrap(frame) == b'data: a["x"]\r\n\r\n'
    assert wrapping_for(Place.JSONP, "cb").wrap(frame) == b'cb("a[\\"x\\"]");\r\n'
    assert wrapping_for(Place.HTMLFILE, "cb").wrap(frame) == b'<script>\np("a[\\"x\\"]");\n</script>\r\n'


def test_preludes_are_as_long_as_browsers_need() -> None:
    assert wrapping_for(Place.XHR_STREAMING, "").prelude == b"h" * 2048 + b"\n"
    assert wrapping_for(Place.EVENTSOURCE, "").prelude == b"\r\n"
    htmlfile = wrapping_for(Place.HTMLFILE, "call.back").prelude
    assert len(htmlfile) > 1024
    assert b"var c = parent.call.back;" in htmlfile


def test_a_message_cannot_end_the_script_that_it_stands_in() -> None:
    frame = array_frame([quote(["</script><script>alert(1)//"])])
    for place in (Place.HTMLFILE, Place.JSONP):
        wrapping = wrapping_for(place, "cb")
        wrapped = wrapping.wrap(frame)[len(wrapping.before) : -len(wrapping.after)]
        assert b"<" not in wrapped
        assert json.loads(wrapped) == frame.decode()


def test_the_iframe_page_loads_the_client_from_where_it_is_told() -> None:
    page = iframe_page('/client.js?"><script>').decode()
    assert '<script src="/client.js?&quot;&gt;&lt;script&gt;"></script>' in page
    assert "_sockjs_onload = function(){SockJS.bootstrap_iframe();};" in page
