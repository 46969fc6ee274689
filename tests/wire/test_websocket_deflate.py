"""permessage-deflate without I/O, against zlib and the examples of RFC 7692."""

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.wire.websocket import MessageAssembler, WebSocketViolation, agree, deflate, stored
from stompede.wire.websocket.assembly import BINARY, CONTINUATION, PING, TEXT
from stompede.wire.websocket.deflate import Inflater

TAIL = b"\x00\x00\xff\xff"
BOTH = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


def inflated(payload: bytes) -> bytes:
    """As a client reads it."""
    stream = zlib.decompressobj(-15)
    return stream.decompress(payload + TAIL) + stream.flush()


def packed(data: bytes) -> bytes:
    """As a client makes it."""
    stream = zlib.compressobj(wbits=-15)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[:-4]


# What is agreed on (section 7.1).


@pytest.mark.parametrize(
    ("offers", "answer", "window_bits"),
    [
        ("permessage-deflate", BOTH, 15),
        ("permessage-deflate; client_max_window_bits", BOTH, 15),
        ("permessage-deflate;client_max_window_bits=8", BOTH, 15),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", BOTH, 15),
        ("permessage-deflate; server_max_window_bits=10", f"{BOTH}; server_max_window_bits=10", 10),
        ('permessage-deflate; server_max_window_bits="9"', f"{BOTH}; server_max_window_bits=9", 9),
        ("x-webkit-deflate-frame, permessage-deflate", BOTH, 15),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", BOTH, 15),
        ("permessage-deflate; unknown, permessage-deflate; client_max_window_bits", BOTH, 15),
    ],
)  # fmt: skip
def test_the_first_offer_that_can_be_kept_is_taken(offers, answer, window_bits):
    agreement = agree(offers)
    assert agreement is not None
    assert (agreement.answer, agreement.window_bits) == (answer, window_bits)


@pytest.mark.parametrize(
    "offers",
    [
        "",
        "x-webkit-deflate-frame",
        "permessage-bzip2",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=010",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; unknown",
        "permessage-deflate; ",
        'x-other; name="a,permessage-deflate,b"',
    ],
)
def test_what_cannot_be_kept_or_is_malformed_is_declined(offers):
    assert agree(offers) is None


# What is sent.


@given(st.binary(max_size=5000), st.integers(1, 9), st.integers(9, 15))
def test_what_is_deflated_is_read_by_everybody_with_that_window(data, level, window_bits):
    stream = zlib.decompressobj(-window_bits)
    assert stream.decompress(deflate(data, level, window_bits) + TAIL) == data


@given(st.binary(max_size=300), st.binary(max_size=5000))
def test_a_stored_beginning_and_a_deflated_rest_are_one_payload(before, after):
    opening = stored(len(before))
    assert opening is not None
    assert inflated(opening + before + deflate(after, 1, 15)) == before + after


def test_a_block_stores_64_kib_at_most():
    assert stored(0xFFFF) is not None
    assert stored(0x10000) is None


# What comes (sections 6.2 and 7.2.3).


def take(assembler, payload, cuts=(), opcode=BINARY):
    """A compressed message in so many frames."""
    ends = [*sorted(cuts), len(payload)]
    start = 0
    for number, end in enumerate(ends):
        message = assembler.frame(
            CONTINUATION if number else opcode, payload[start:end], end is ends[-1], False, not number
        )
        start = end
        if end is ends[-1]:
            return message
        assert message is None
    raise AssertionError


EXAMPLES = {
    "one block": "f248cdc9c90700",
    "no compression": "000500faff48656c6c6f00",
    "last block marked": "f348cdc9c9070000",
    "two blocks": "f24805000000ffffcac9c90700",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_the_rfc_say_hello(name):
    payload = bytes.fromhex(EXAMPLES[name])
    for cut in range(len(payload) + 1):
        message = take(MessageAssembler(5), payload, (cut,), TEXT)
        assert (message.data, message.text) == (b"Hello", True)


@given(st.binary(max_size=3000), st.data())
def test_any_split_of_a_compressed_message_is_the_whole(data, draw):
    payload = packed(data)
    cuts = draw.draw(st.lists(st.integers(0, len(payload)), max_size=5))
    assembler = MessageAssembler(len(data))
    message = take(assembler, payload, cuts)
    assert message.data == data
    assert not assembler.unfinished
    assert assembler.frame(BINARY, b"", True, False).data == b""  # the next one is not compressed


@pytest.mark.parametrize("cuts", [(), (100,), tuple(range(0, 500, 7))])
def test_a_bomb_is_refused_before_it_takes_more_than_a_message_may_have(cuts):
    payload = packed(bytes(10_000_000))
    with pytest.raises(WebSocketViolation) as refused:
        take(MessageAssembler(1000), payload, cuts)
    assert refused.value.code == 1009


@given(st.integers(0, 100_000), st.integers(0, 1000))
def test_never_more_than_one_octet_beyond_the_room_is_made(length, room_bytes):
    inflater = Inflater()
    outcome = inflater.inflate(packed(bytes(length)), True, room_bytes)
    assert outcome == (bytes(length) if length <= room_bytes else None)


@given(st.binary(max_size=200), st.booleans())
def test_what_is_no_deflate_is_refused_and_raises_nothing_else(payload, text):
    try:
        message = take(MessageAssembler(1000), payload, (), TEXT if text else BINARY)
    except WebSocketViolation as violation:
        assert violation.code in (1002, 1007, 1009)  # noqa: PT017
    else:
        assert len(message.data) <= 1000


@pytest.mark.parametrize("behind", [b"\x00\x00", b"more", b"\x03\x00" * 1000])
def test_nothing_comes_behind_the_last_block(behind):
    payload = bytes.fromhex("f348cdc9c90700") + behind
    for cuts in ((), (7,), (8,)):
        with pytest.raises(WebSocketViolation, match="behind its last block") as refused:
            take(MessageAssembler(1000), payload, cuts)
        assert refused.value.code == 1002


def test_compressed_text_must_be_utf_8_across_its_fragments():
    payload = packed("라이더".encode())
    assert take(MessageAssembler(100), payload, (1, 2, 3), TEXT).data.decode() == "라이더"
    with pytest.raises(WebSocketViolation) as refused:
        take(MessageAssembler(100), packed(b"ok\xff"), (), TEXT)
    assert refused.value.code == 1007


def test_only_the_first_frame_of_a_message_says_that_it_is_compressed():
    assembler = MessageAssembler(100)
    assembler.frame(TEXT, b"a", False, False, False)
    with pytest.raises(WebSocketViolation, match="a continuation says"):
        assembler.frame(CONTINUATION, packed(b"b"), True, False, True)
    with pytest.raises(WebSocketViolation, match="reserved bit"):
        MessageAssembler(100).frame(PING, b"", True, False, True)


def test_what_does_not_shrink_comes_back_as_it_was():
    data = os.urandom(3000)
    assert take(MessageAssembler(3000), packed(data), (5, 1000)).data == data
