"""Frames out of bytes: line ends, chunks, headers, bodies."""

import gc
import tracemalloc

import pytest
from wire_support import decoder, events, server, splits, violation

from stompede.wire.stomp import Limits, Send, Subscribe, Version


def sends(*chunks: bytes, version: Version = Version.V1_2) -> list[Send]:
    found = events(server(version), *chunks)
    assert all(isinstance(each, Send) for each in found), found
    return [each for each in found if isinstance(each, Send)]


def test_lines_may_end_with_lf():
    (sent,) = sends(b"SEND\ndestination:/queue/a\nk:v\n\nhello\0")
    assert sent.destination == "/queue/a"
    assert sent.body == b"hello"
    assert sent.head.headers == {"destination": "/queue/a", "k": "v"}


def test_lines_may_end_with_cr_lf_in_1_2():
    (sent,) = sends(b"SEND\r\ndestination:/queue/a\r\nfoo:bar\r\nreceipt:r1\r\n\r\nhi\0")
    assert sent.head.headers == {"destination": "/queue/a", "foo": "bar", "receipt": "r1"}
    assert sent.body == b"hi"


def test_cr_lf_head_ends_at_its_blank_line_though_the_body_has_an_lf_one():
    (sent,) = sends(b'SEND\r\ndestination:/queue/a\r\n\r\n{"a":\n\n1}\0')
    assert sent.body == b'{"a":\n\n1}'
    assert sent.head.headers == {"destination": "/queue/a"}


def test_line_ends_may_be_mixed_in_1_2():
    (sent,) = sends(b"SEND\r\ndestination:/queue/a\nk:v\r\n\nx\n\r\n\0")
    assert sent.head.headers == {"destination": "/queue/a", "k": "v"}
    assert sent.body == b"x\n\r\n"


@pytest.mark.parametrize("version", [Version.V1_0, Version.V1_1])
def test_cr_lf_is_explained_where_the_version_does_not_allow_it(version: Version):
    found = violation(server(version), b"SEND\r\ndestination:/queue/a\r\n\r\nhi\0")
    assert "CR LF only in STOMP 1.2" in found.detail
    found = violation(server(version), b"SEND\r\ndestination:/queue/a\r\n\r\nhi\n\nho\0")
    assert "CR LF only in STOMP 1.2" in found.detail


def test_carriage_return_belongs_to_the_value_in_1_1():
    (sent,) = sends(b"SEND\ndestination:/queue/a\nk:v\r\n\nhi\0", version=Version.V1_1)
    assert sent.head.headers["k"] == "v\r"


def test_frames_may_come_in_many_chunks():
    (sent,) = sends(b"S", b"END\ndest", b"ination:/queue/a\nk:v", b"al\n", b"\nbo", b"dy", b"\0")
    assert (sent.head.headers["k"], sent.body) == ("val", b"body")


def test_frames_may_come_octet_by_octet():
    data = b"SEND\r\ndestination:/queue/a\r\nk:a\\nb\r\n\r\nx\n\ny\0\r\nSEND\ndestination:/queue/b\n\n\0"
    first, second = sends(*splits(data, range(len(data))))
    assert (first.head.headers["k"], first.body) == ("a\nb", b"x\n\ny")
    assert (second.destination, second.body) == ("/queue/b", b"")


def test_several_frames_may_come_in_one_chunk():
    data = b"SEND\ndestination:/a\n\np1\0SEND\ndestination:/a\n\np2\0\nSUBSCRIBE\nid:0\ndestination:/a\n\n\0"
    first, second, third = events(server(), data)
    assert isinstance(first, Send)
    assert isinstance(second, Send)
    assert (first.body, second.body) == (b"p1", b"p2")
    assert isinstance(third, Subscribe)


def test_next_event_parses_one_frame_only():
    session = server()
    session.receive_data(b"SEND\ndestination:/queue/a\n\np1\0SEND\ndestination:/queue/a\n\np2\0", 0.0)
    assert isinstance(session.next_event(), Send)
    assert session.buffered_bytes == len(b"SEND\ndestination:/queue/a\n\np2\0")


def test_what_arrives_while_frames_wait_is_kept_in_order():
    session = server()
    bodies = []
    for number in range(100):
        session.receive_data(
            b"SEND\ndestination:/queue/a\n\n%d\0SEND\ndestination:/queue/a\n\n%d" % (number, number), 0.0
        )
        if number % 3 == 0:
            found = session.next_event()
            assert isinstance(found, Send)
            bodies.append(found.body)
        session.receive_data(b"!\0\n", 0.0)
    while (found := session.next_event()) is not None:
        assert isinstance(found, Send)
        bodies.append(found.body)
    assert bodies == [each for number in range(100) for each in (b"%d" % number, b"%d!" % number)]
    assert session.buffered_bytes == 0


def test_a_chunk_may_split_an_escape():
    (sent,) = sends(b"SEND\ndestination:/queue/a\nk:long\\", b"nend\n\nx\0")
    assert sent.head.headers["k"] == "long\nend"


def test_nothing_comes_before_the_nul():
    session = server()
    assert events(session, b"SEND\ndestination:/queue/a\n\nbody") == []
    (sent,) = events(session, b"\0")
    assert isinstance(sent, Send)
    assert sent.body == b"body"


@pytest.mark.parametrize("between", [b"\n", b"\n\n\n", b"\r\n", b"\r\n\n\r\n", b"\0", b"\0\0", b"\n\0\r\n"])
def test_heart_beats_and_stray_nuls_between_frames_are_skipped(between: bytes):
    data = between + b"SEND\ndestination:/a\n\na\0" + between + b"SEND\ndestination:/a\n\nb\0" + between
    assert [sent.body for sent in sends(data)] == [b"a", b"b"]
    assert [sent.body for sent in sends(*splits(data, range(len(data))))] == [b"a", b"b"]


@pytest.mark.parametrize("between", [b"\n", b"\r\n", b"\0", b"\n\0", b"\r\n\0", b"\n\r\n"])
def test_a_flood_of_heart_beats_and_nuls_costs_no_memory_beyond_its_own(between: bytes):
    session = server()
    data = between * (512 * 1024 // len(between))
    tracemalloc.start()
    try:
        assert events(session, data) == []
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 64 * 1024, most
    assert session.buffered_bytes == 0


def test_heart_beats_leave_nothing_behind():
    session = server()
    for beat in (b"\n", b"\r\n", b"\n\n\n", b"\r", b"\n"):
        assert events(session, beat) == []
    assert session.buffered_bytes == 0


# Headers.


def test_value_begins_after_the_first_colon():
    (sent,) = sends(b"SEND\ndestination:/queue/a\nk:val:ue\n\nx\0")
    assert sent.head.headers["k"] == "val:ue"


def test_value_may_be_empty():
    (sent,) = sends(b"SEND\ndestination:/queue/a\nk:\n\nx\0")
    assert sent.head.headers["k"] == ""


@pytest.mark.parametrize("version", [Version.V1_1, Version.V1_2])
def test_names_and_values_are_not_trimmed(version: Version):
    (sent,) = sends(b"SEND\ndestination:/a\nk1: v\nk2:v \nk3:\t v \t\n h1:v\nh2 :w\n\nx\0", version=version)
    expected = {"destination": "/a", "k1": " v", "k2": "v ", "k3": "\t v \t", " h1": "v", "h2 ": "w"}
    assert sent.head.headers == expected


def test_names_and_values_are_trimmed_in_1_0_as_its_examples_ask_for():
    (sent,) = sends(b"SEND\ndestination: /queue/a\nk : v \n\nx\0", version=Version.V1_0)
    assert sent.head.headers == {"destination": "/queue/a", "k": "v"}


@pytest.mark.parametrize("version", list(Version))
def test_first_of_repeated_headers_wins(version: Version):
    data = b"SEND\ndestination:/a\ndestination:/b\nfoo:1\nfoo:2\nfoo:3\ncontent-length:5\ncontent-length:2\n\nhello\0"
    (sent,) = sends(data, version=version)
    assert sent.destination == "/a"
    assert sent.head.headers["foo"] == "1"
    assert sent.body == b"hello"


def test_escapes_of_1_2_are_undone_in_names_and_values():
    (sent,) = sends(b"SEND\ndestination:/a\nc:\\c\nn:\\n\nb:\\\\\nr:\\r\na\\c\\n\\\\b:v\n\nx\0")
    expected = {"destination": "/a", "c": ":", "n": "\n", "b": "\\", "r": "\r", "a:\n\\b": "v"}
    assert sent.head.headers == expected


def test_nothing_is_unescaped_in_1_0():
    (sent,) = sends(b"SEND\ndestination:/a\nk:a\\nb\\t\n\nx\0", version=Version.V1_0)
    assert sent.head.headers["k"] == "a\\nb\\t"


def test_headers_are_utf_8():
    (sent,) = sends("SEND\ndestination:/a\nheadꙕr1:valꙕe1\n\nhello\0".encode())
    assert sent.head.headers["headꙕr1"] == "valꙕe1"


# Bodies.


def test_content_length_counts_octets():
    body = "🙂你".encode()
    (sent,) = sends(b"SEND\ndestination:/a\ncontent-length:7\n\n" + body + b"\0")
    assert sent.body == body


@pytest.mark.parametrize("body", [b"", b"a\0b\0\0cde", b"\0\1\2\3\4", b"\xff\xfe\0\x80", b"\0"])
def test_body_with_content_length_may_be_any_octets(body: bytes):
    data = b"SEND\ndestination:/a\ncontent-length:%d\n\n%b\0" % (len(body), body)
    assert [sent.body for sent in sends(data + data)] == [body, body]
    assert [sent.body for sent in sends(*splits(data, range(len(data))))] == [body]


def test_body_without_content_length_ends_at_the_first_nul():
    assert [sent.body for sent in sends(b"SEND\ndestination:/a\n\nhello\0")] == [b"hello"]


def test_frame_waits_for_as_many_octets_as_content_length_says():
    session = server()
    assert events(session, b"SEND\ndestination:/a\ncontent-length:23\n\nThe body of the mess") == []
    (sent,) = events(session, b"age\0")
    assert isinstance(sent, Send)
    assert sent.body == b"The body of the message"


def test_content_length_may_have_leading_zeros():
    assert [sent.body for sent in sends(b"SEND\ndestination:/a\ncontent-length:0005\n\nhello\0")] == [
        b"hello"
    ]


def test_body_of_a_frame_that_has_none_is_ignored_in_1_0():
    (found,) = events(server(Version.V1_0), b"SUBSCRIBE\ndestination:/a\n\nbody\0")
    assert isinstance(found, Subscribe)


# How much is searched and copied.


def test_whole_frame_is_cut_out_of_the_chunk_without_a_second_buffer():
    plain = decoder()
    chunk = b"CONNECT\nhost:/\n\n\0"
    plain.feed(chunk)
    assert any(each is chunk for each in gc.get_referents(plain))
    assert plain.next_frame() is not None
    assert not any(each is chunk for each in gc.get_referents(plain))
    assert plain.buffered_bytes == 0


def test_searched_octets_are_not_searched_again():
    """128 KiB in single octets take as many steps; if each step searched or moved all, it would be 8 GiB."""
    session = server(limits=Limits(max_body_bytes=1 << 18))
    session.receive_data(b"SEND\ndestination:/a\n\n", 0.0)
    for _ in range(1 << 17):
        session.receive_data(b"x", 0.0)
        assert session.next_event() is None
    session.receive_data(b"\0", 0.0)
    found = session.next_event()
    assert isinstance(found, Send)
    assert len(found.body) == 1 << 17


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_many_frames_in_one_chunk_are_not_each_searched_to_its_end(end: bytes):
    """20,000 frames in 1 MiB: with searches to the end of the chunk it would be 10 GiB."""
    one = b"SEND" + end + b"destination:/a" + end + end
    data = (one + b"x" * 20 + b"\0") * 20_000
    assert len(sends(data)) == 20_000
    session = server(limits=Limits(max_header_block_bytes=60, max_header_line_bytes=60))
    assert len(events(session, data)) == 20_000


def test_frames_that_end_with_an_end_of_line_are_taken_one_after_the_other():
    data = b"SEND\ndestination:/a\n\nx\0\n"
    assert [sent.body for sent in sends(data, data * 2, data, data * 3)] == [b"x"] * 7
