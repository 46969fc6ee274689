import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stompede.wire.websocket import (
    Complete,
    MessageAssembler,
    WebSocketViolation,
    check_close,
    check_control,
    encode_close,
    encode_header,
)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
EURO = "κόσμε€🙂".encode()


def assembler(max_message_bytes: int = 1000) -> MessageAssembler:
    return MessageAssembler(max_message_bytes)


def refused(
    code: int, *frames: tuple[int, bytes, bool], rsv: bool = False, limit: int = 1000
) -> WebSocketViolation:
    """All frames but the last one are taken; the last one is refused with this code."""
    messages = assembler(limit)
    *taken, last = frames
    for opcode, payload, fin in taken:
        messages.frame(opcode, payload, fin, False)
    with pytest.raises(WebSocketViolation) as caught:
        messages.frame(*last, rsv)
    assert caught.value.code == code
    assert caught.value.reason in str(caught.value)
    return caught.value


# Messages in one frame.


@pytest.mark.parametrize("payload", [b"", b"hello", EURO])
def test_whole_message_is_the_payload_itself(payload: bytes):
    for opcode in (TEXT, BINARY):
        found = assembler().frame(opcode, payload, True, False)
        assert found == Complete(payload, opcode == TEXT)
        assert found is not None
        assert found.data is payload


def test_binary_may_be_any_octets():
    assert assembler().frame(BINARY, b"\xff\xfe\0", True, False) == Complete(b"\xff\xfe\0", False)


@pytest.mark.parametrize(
    "payload", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", EURO[:-1], b"a\x80"]
)
def test_text_that_is_not_utf_8_is_refused(payload: bytes):
    refused(1007, (TEXT, payload, True))
    refused(1007, (TEXT, b"a", False), (CONTINUATION, payload, True))


# RFC 6455 section 5.4: fragments.


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments_are_put_together(opcode: int):
    messages = assembler()
    assert messages.frame(opcode, b"a", False, False) is None
    assert messages.unfinished
    assert messages.frame(CONTINUATION, b"", False, False) is None
    assert messages.frame(CONTINUATION, b"b", False, False) is None
    assert messages.buffered_bytes == 2
    assert messages.frame(CONTINUATION, b"c", True, False) == Complete(b"abc", opcode == TEXT)
    assert not messages.unfinished
    assert messages.buffered_bytes == 0
    assert messages.frame(TEXT, b"next", True, False) == Complete(b"next", True)


def test_control_frames_may_come_between_fragments():
    messages = assembler()
    assert messages.frame(TEXT, b"a", False, False) is None
    assert messages.frame(PING, b"p", True, False) is None
    assert messages.frame(PONG, b"", True, False) is None
    assert messages.frame(CLOSE, b"\x03\xe8", True, False) is None
    assert messages.frame(CONTINUATION, b"b", True, False) == Complete(b"ab", True)


def test_continuation_of_nothing_is_refused():
    refused(1002, (CONTINUATION, b"a", True))
    refused(1002, (CONTINUATION, b"a", False))
    refused(1002, (TEXT, b"a", False), (CONTINUATION, b"b", True), (CONTINUATION, b"c", True))


def test_new_message_before_the_end_of_the_last_is_refused():
    refused(1002, (TEXT, b"a", False), (TEXT, b"b", True))
    refused(1002, (TEXT, b"a", False), (BINARY, b"b", False))


def test_text_is_checked_fragment_by_fragment_and_fails_at_the_first_bad_one():
    refused(1007, (TEXT, "κ".encode() + b"\xff", False))
    refused(1007, (TEXT, b"\xf4", False), (CONTINUATION, b"\x90", False))
    refused(1007, (TEXT, b"\xed", False), (CONTINUATION, b"\xa0\x80", False))


def test_characters_may_be_cut_by_fragments_but_not_by_the_end():
    messages = assembler()
    for octet in EURO[:-1]:
        assert (
            messages.frame(CONTINUATION if messages.unfinished else TEXT, bytes((octet,)), False, False)
            is None
        )
    assert messages.frame(CONTINUATION, EURO[-1:], True, False) == Complete(EURO, True)
    refused(1007, (TEXT, EURO[:-1], False), (CONTINUATION, b"", True))


# Limits.


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_too_large_a_message_is_refused_with_1009(opcode: int):
    assert assembler(10).frame(opcode, b"x" * 10, True, False) is not None
    violation = refused(1009, (opcode, b"x" * 11, True), limit=10)
    assert violation.reason == "a message may have 10 bytes"
    refused(1009, (opcode, b"x" * 11, False), limit=10)
    refused(1009, (opcode, b"x" * 6, False), (CONTINUATION, b"x" * 5, False), limit=10)


def test_empty_fragments_take_no_memory():
    messages = assembler(10)
    messages.frame(TEXT, b"", False, False)
    for _ in range(1000):
        messages.frame(CONTINUATION, b"", False, False)
    assert messages.buffered_bytes == 0


# Reserved bits, opcodes, control frames.


@pytest.mark.parametrize("opcode", [TEXT, BINARY, CLOSE, PING, PONG])
def test_reserved_bits_are_refused(opcode: int):
    refused(1002, (opcode, b"", True), rsv=True)


def test_reserved_bits_of_a_continuation_are_refused():
    refused(1002, (TEXT, b"a", False), (CONTINUATION, b"", True), rsv=True)


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("fin", [True, False])
def test_unknown_opcodes_are_refused(opcode: int, fin: bool):
    assert f"unknown opcode {opcode}" in refused(1002, (opcode, b"", fin)).reason


@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_control_frames_are_neither_fragmented_nor_long(opcode: int):
    assert assembler().frame(opcode, b"x" * 125, True, False) is None
    refused(1002, (opcode, b"x" * 126, True))
    refused(1002, (opcode, b"", False))


def test_control_frames_can_be_checked_by_themselves():
    check_control(125, True, False)
    for length, fin, rsv in ((126, True, False), (0, False, False), (0, True, True)):
        with pytest.raises(WebSocketViolation) as caught:
            check_control(length, fin, rsv)
        assert caught.value.code == 1002


# Section 7.4: close frames.


def test_close_frame_may_be_empty():
    assert check_close(b"") == (None, "")


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
)
def test_close_codes_that_may_be_sent(code: int):
    assert check_close(code.to_bytes(2, "big")) == (code, "")
    assert check_close(code.to_bytes(2, "big") + EURO) == (code, EURO.decode())


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535])
def test_close_codes_that_must_not_be_sent(code: int):
    with pytest.raises(WebSocketViolation) as caught:
        check_close(code.to_bytes(2, "big"))
    assert caught.value.code == 1002


@pytest.mark.parametrize(
    ("payload", "code"), [(b"\x03", 1002), (b"\x03\xe8\xff", 1007), (b"\x03\xe8" + b"x" * 124, 1002)]
)
def test_malformed_close_frames_are_refused(payload: bytes, code: int):
    with pytest.raises(WebSocketViolation) as caught:
        check_close(payload)
    assert caught.value.code == code


# Frames out.


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (0, b"\x81\x00"),
        (125, b"\x81\x7d"),
        (126, b"\x81\x7e\x00\x7e"),
        (65535, b"\x81\x7e\xff\xff"),
        (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_header_has_the_shortest_length_there_is(length: int, header: bytes):
    assert encode_header(TEXT, length) == header


def test_close_frame_is_whole_and_its_reason_is_cut_at_a_character():
    assert encode_close(1000) == b"\x88\x02\x03\xe8"
    assert encode_close(1001, "bye") == b"\x88\x05\x03\xe9bye"
    data = encode_close(1001, "€" * 100)
    assert data[1] == len(data) - 2 <= 125
    assert check_close(data[2:]) == (1001, "€" * 41)


# Any way of cutting gives the same.


@given(data=st.binary(max_size=60), text=st.booleans(), cuts=st.lists(st.integers(0, 60), max_size=6))
def test_any_fragments_are_the_whole(data: bytes, text: bool, cuts: list[int]):
    opcode = TEXT if text else BINARY

    def result(at: list[int]) -> Complete | int | None:
        messages = assembler()
        edges = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
        pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
        found = None
        try:
            for number, piece in enumerate(pieces):
                found = messages.frame(
                    CONTINUATION if number else opcode, piece, number == len(pieces) - 1, False
                )
        except WebSocketViolation as violation:
            return violation.code
        return found

    assert result(cuts) == result([])


@given(
    frames=st.lists(
        st.tuples(st.integers(0, 15), st.binary(max_size=150), st.booleans(), st.booleans()), max_size=20
    )
)
def test_any_frames_give_messages_or_violations_and_stay_within_the_limit(
    frames: list[tuple[int, bytes, bool, bool]],
):
    messages = assembler(200)
    code = 1002
    try:
        for frame in frames:
            found = messages.frame(*frame)
            assert messages.buffered_bytes <= 200
            if found is not None and found.text:
                found.data.decode()
    except WebSocketViolation as violation:
        code = violation.code
    assert code in (1002, 1007, 1009)
