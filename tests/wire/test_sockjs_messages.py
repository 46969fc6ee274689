import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.wire.sockjs import BodyRefused, form_field, parse_messages


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1)), st.booleans())
def test_an_array_of_strings_is_read(messages: list[str], ascii_only: bool) -> None:
    body = json.dumps(messages, ensure_ascii=ascii_only).encode()
    assert parse_messages(body) == [message.encode() for message in messages]


def test_a_single_string_is_one_message() -> None:
    assert parse_messages(b'"a"') == [b"a"]


def test_empty_messages_are_none() -> None:
    assert parse_messages(b'["", "a", ""]') == [b"a"]
    assert parse_messages(b"[]") == []
    assert parse_messages(b'""') == []


def test_no_body_is_refused() -> None:
    with pytest.raises(BodyRefused, match=r"^Payload expected\.$"):
        parse_messages(b"")


@pytest.mark.parametrize(
    "body",
    [
        b'["a', b"{}", b"[1]", b'[["a"]]', b"null", b"\xff", b'["\xff"]', b'["a"] x', b'["a\nb"]', b'["\\ud800", 1]',
        b'{"\\ud800": 1}', b'["\\ud800', b"[" * 100_000 + b'"\\ud800"',
    ],
)  # fmt: skip
def test_what_is_no_array_of_strings_is_refused(body: bytes) -> None:
    with pytest.raises(BodyRefused, match=r"^Broken JSON encoding\.$"):
        parse_messages(body)


@given(st.binary())
def test_no_body_raises_anything_else(body: bytes) -> None:
    with contextlib.suppress(BodyRefused):
        parse_messages(body)


def test_halves_of_surrogate_pairs_become_replacement_characters() -> None:
    assert parse_messages(b'["\\ud83d\\ude00", "\\ud800x", "\\uDC00"]') == [
        "😀".encode(),
        "\ufffdx".encode(),
        "\ufffd".encode(),
    ]


@pytest.mark.parametrize(
    "body",
    [
        '["a\u755c\u3864"]'.encode("utf-16-le"),  # its octets have \\ud8 in them
        b'["\xed\xa0\x80", "\\ud800"]',
        b'\xef\xbb\xbf["\\ud800"]',
    ],
)
def test_a_body_is_utf_8_also_where_it_has_halves_of_surrogate_pairs(body: bytes) -> None:
    with pytest.raises(BodyRefused, match=r"^Broken JSON encoding\.$"):
        parse_messages(body)


def test_a_field_of_a_form_is_found() -> None:
    assert form_field(b"p=1&d=%5B%22x%22%5D", "d") == b'["x"]'
    assert form_field(b"d=%5B%22a+b%EC%95%88%22%5D", "d") == '["a b안"]'.encode()
    assert form_field(b"", "d") == form_field(b"d=", "d") == form_field(b"p=p", "d") == b""


@pytest.mark.parametrize("body", [b"d=%ff", b"\xff=x", b"&".join([b"a=b"] * 1000)])
def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(BodyRefused):
        form_field(body, "d")
