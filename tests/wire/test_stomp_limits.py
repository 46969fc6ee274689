import pytest
from wire_support import client, event, events, server, splits, violation

from stompede.errors import ConfigurationError
from stompede.wire.stomp import ClientSession, Limits, Send, ServerViolation

SMALL = Limits(max_headers=4, max_header_line_bytes=64, max_header_block_bytes=160, max_body_bytes=100)
SEND = b"SEND\ndestination:/a\n"


def lines(count: int) -> bytes:
    return b"".join(b"h%d:v\n" % number for number in range(count))


# Each limit: what just fits, and what is told of what does not.


def test_as_many_headers_as_allowed_are_taken():
    assert isinstance(event(server(limits=SMALL), SEND + lines(3) + b"\nx\0"), Send)


def test_one_header_more_is_refused():
    found = violation(server(limits=SMALL), SEND + lines(4) + b"\nx\0")
    assert found.code == "limit"
    assert found.detail == "there are more header lines than the 4 allowed (max_headers)"
    assert b"message:limit max_headers exceeded\n" in found.error


def test_repeated_headers_count():
    assert "max_headers" in violation(server(limits=SMALL), SEND + b"a:b\n" * 4 + b"\nx\0").detail


def test_a_line_as_long_as_allowed_is_taken():
    assert isinstance(event(server(limits=SMALL), SEND + b"k:" + b"x" * 62 + b"\n\nx\0"), Send)


def test_one_octet_more_in_a_line_is_refused():
    found = violation(server(limits=SMALL), SEND + b"k:" + b"x" * 63 + b"\n\nx\0")
    assert found.code == "limit"
    assert found.detail == "a header line has more than the 64 allowed (max_header_line_bytes)"


def test_the_command_line_is_bounded_too():
    assert "max_header_line_bytes" in violation(server(limits=SMALL), b"S" * 65).detail


def test_a_head_as_long_as_allowed_is_taken():
    head = SEND + b"a:" + b"x" * 60 + b"\nb:" + b"x" * 60 + b"\nc:"
    assert isinstance(event(server(limits=SMALL), head + b"x" * (160 - len(head)) + b"\n\nx\0"), Send)


def test_one_octet_more_in_the_head_is_refused():
    head = SEND + b"a:" + b"x" * 60 + b"\nb:" + b"x" * 60 + b"\nc:"
    found = violation(server(limits=SMALL), head + b"x" * (161 - len(head)) + b"\n\nx\0")
    assert found.code == "limit"
    assert found.detail == "command and headers are longer than the 160 allowed (max_header_block_bytes)"


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n"])
def test_a_head_as_long_as_allowed_is_taken_in_pieces(end: bytes):
    head = SEND + b"a:" + b"x" * 60 + b"\nb:" + b"x" * 60 + b"\nc:"
    data = head + b"x" * (160 - len(head) - end.count(b"\r") // 2) + end + b"x\0"
    assert isinstance(event(server(limits=SMALL), *splits(data, range(len(data)))), Send)


@pytest.mark.parametrize("end", [b"\nk", b"\n\r", b"\n\r\r"])
def test_a_head_that_only_seems_to_end_is_refused_as_in_one_piece(end: bytes):
    head = SEND + b"a:" + b"x" * 60 + b"\nb:" + b"x" * 60 + b"\nc:"
    data = head + b"x" * (160 - len(head)) + end + b"k:v\n\nx\0"
    whole = violation(server(limits=SMALL), data)
    assert "max_header_block_bytes" in whole.detail
    assert violation(server(limits=SMALL), *splits(data, range(len(data)))) == whole


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"\n", b"\r\n"])
@pytest.mark.parametrize("length", range(60, 66))
@pytest.mark.parametrize("headers", [3, 4, 5])
def test_about_as_long_as_allowed_is_judged_in_pieces_as_in_one(
    newline: bytes, last: bytes, length: int, headers: int
) -> None:
    for missing in range(-4, 5):
        start = b"SEND" + newline + b"destination:/a" + newline
        filler = b"".join(b"%d:" % number + b"x" * (length - 3) + newline for number in range(headers - 2))
        rest = max(0, SMALL.max_header_block_bytes + missing - len(start) - len(filler) - 2)
        data = start + filler + b"z:" + b"x" * rest + newline + last + b"x\0"
        whole = events(server(limits=SMALL), data)
        assert events(server(limits=SMALL), *splits(data, range(len(data)))) == whole


def test_a_body_as_long_as_allowed_is_taken_with_and_without_its_length():
    session = server(limits=SMALL)
    for head in (SEND + b"\n", SEND + b"content-length:100\n\n"):
        for _ in range(3):  # parsed, known to the session, known to the cache
            found = event(session, head + b"x" * 100 + b"\0")
            assert isinstance(found, Send)
            assert len(found.body) == 100


def test_one_octet_more_without_a_length_is_refused_while_the_nul_is_searched():
    session = server(limits=SMALL)
    assert events(session, SEND + b"\n" + b"x" * 100) == []
    found = violation(session, b"x")
    assert found.code == "limit"
    assert found.detail == "the body is longer than the 100 allowed (max_body_bytes)"


def test_one_octet_more_is_refused_when_the_head_is_known_already():
    session = server(limits=SMALL)
    for _ in range(3):
        assert isinstance(event(session, SEND + b"\nx\0"), Send)
    assert "max_body_bytes" in violation(session, SEND + b"\n" + b"x" * 101 + b"\0").detail


@pytest.mark.parametrize("length", [b"101", b"99999999999", b"9" * 40, b"0" * 30 + b"101"])
def test_a_declared_length_that_is_too_large_is_refused_from_the_head_alone(length: bytes):
    found = violation(server(limits=SMALL), SEND + b"content-length:" + length + b"\n\n")
    assert found.code == "limit"
    assert found.detail.startswith("content-length ")
    assert found.detail.endswith(" is more than the body of 100 allowed (max_body_bytes)")


def test_a_length_with_more_digits_than_python_converts_is_refused():
    found = violation(server(), SEND + b"content-length:" + b"9" * 5000 + b"\n\n")
    assert "content-length 99999999999999999999 is more than" in found.detail


def test_a_body_where_none_may_be_is_refused_at_its_first_octet():
    assert "must not have a body" in violation(server(), b"SUBSCRIBE\nid:0\ndestination:/a\n\nx").detail


def test_connect_is_bounded_as_well():
    assert "max_headers" in violation(server(None, limits=SMALL), b"CONNECT\n" + lines(5) + b"\n\0").detail


def test_nobody_sends_a_body_before_connect():
    session = server(None)
    assert "must not come before CONNECT" in violation(session, SEND + b"content-length:200000\n\n").detail


# What comes first in the octets is told, however they are split.


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (SEND + lines(4) + b"k:" + b"x" * 63, "max_headers"),
        (SEND + b"k:" + b"x" * 63 + b"\n" + lines(9), "max_header_line_bytes"),
        (SEND + (b"k:" + b"x" * 60 + b"\n") * 3, "max_header_block_bytes"),
        (SEND + b"k:" + b"x" * 5000 + b"\n\n\0", "max_header_line_bytes"),
        (SEND + lines(1000) + b"\n\0", "max_headers"),
        (b"\n" * 500 + SEND + b"\n" + b"x" * 101, "max_body_bytes"),
        (SEND + lines(2) + b"\0" + lines(3) + b"\n\0", "NUL octet stands among the headers"),
        (SEND + lines(5) + b"\0" + b"\n\n\0", "max_headers"),
    ],
)
def test_the_first_broken_limit_is_told_however_the_octets_are_split(data: bytes, name: str):
    whole = violation(server(limits=SMALL), data)
    assert name in whole.detail
    for step in (1, 2, 3, 7, 64, 1000):
        assert violation(server(limits=SMALL), *splits(data, range(step, len(data), step))) == whole


# Memory.


@pytest.mark.parametrize(
    "start",
    [
        b"S",
        b"SEND\nk:",
        b"SEND\n" + lines(2),
        SEND + b"\n",
        SEND + b"\r\n",
        SEND + b"content-length:100\n\n",
        b"\r",
        b"\n",
        b"\0",
    ],
)
@pytest.mark.parametrize("chunk", [b"x", b"x" * 50, b"a:b\n", b"a:b\r\n", b"\r", b"\n", b"\0", b"\xff"])
def test_an_unfinished_frame_never_holds_more_than_the_limits_and_one_chunk(start: bytes, chunk: bytes):
    session = server(limits=SMALL)
    events(session, start)
    for _ in range(2000):
        session.receive_data(chunk, 0.0)
        while session.next_event() is not None:
            pass
        assert session.buffered_bytes <= SMALL.max_frame_bytes + len(chunk)


def test_a_header_without_an_end_is_refused_before_it_is_all_there():
    session = server()
    session.receive_data(b"SEND\ndestination:/a\nk:", 0.0)
    assert session.next_event() is None
    taken = 0
    while session.next_event() is None:
        session.receive_data(b"y" * 1024, 0.0)
        taken += 1024
    assert taken <= Limits().max_header_line_bytes + 2 * 1024


def test_a_client_is_bounded_by_its_own_limits():
    found = event(
        client(limits=SMALL), b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/a\ncontent-length:101\n\n"
    )
    assert isinstance(found, ServerViolation)
    assert found.code == "limit"
    assert "max_body_bytes" in found.detail


def test_a_client_bounds_connected_too():
    session = ClientSession(limits=SMALL)
    session.send_connect(host="/", now=0.0)
    found = event(session, b"CONNECTED\n" + lines(5) + b"\n\0")
    assert isinstance(found, ServerViolation)
    assert "max_headers" in found.detail


# The settings themselves.


@pytest.mark.parametrize("name", ["max_headers", "max_header_line_bytes", "max_header_block_bytes"])
def test_limits_must_be_positive(name: str):
    with pytest.raises(ConfigurationError, match=f"{name} must be at least 1, not 0"):
        Limits(**{name: 0})


def test_no_body_may_be_allowed_but_no_negative_one():
    assert Limits(max_body_bytes=0).max_body_bytes == 0
    with pytest.raises(ConfigurationError, match="max_body_bytes must not be negative"):
        Limits(max_body_bytes=-1)
