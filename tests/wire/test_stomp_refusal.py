"""What is refused, and in which words."""

import pytest
from wire_support import decoder, events, server, violation

from stompede.wire.stomp import State, Version, Violation
from stompede.wire.stomp.refusal import FrameRefusedError


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (
            b"SEND\ndestination:/a\nhdrerror\n\nx\0",
            "malformed",
            'must be name:value; "hdrerror" has no colon',
        ),
        (b"SEND\ndestination:/a\n:v\n\nx\0", "malformed", 'must be name:value; ":v" has no name'),
        (
            b"SEND\ndestination:/a\nk:is\\ttab\n\nx\0",
            "malformed",
            'header "k": the escape \\t is not defined in STOMP 1.2',
        ),
        (
            b"SEND\ndestination:/a\nk:\xff\n\nx\0",
            "malformed",
            "headers must be UTF-8; octet 23 of the frame is not",
        ),
        (b"WRONGCOMMAND\ndestination:a\n\n\0", "command", 'unknown command "WRONGCOMMAND"'),
        (b"send\ndestination:/a\n\nx\0", "command", "commands are in capitals, without blanks: SEND"),
        (b" SEND\ndestination:/a\n\nx\0", "command", "commands are in capitals, without blanks: SEND"),
        (b"RECEIPT\nreceipt-id:m1\n\n\0", "command", "RECEIPT is sent by the server, never to it"),
        (b"CONNECT\naccept-version:1.2\nhost:/\n\n\0", "command", "CONNECT must not come a second time"),
        (
            b"SUBSCRIBE\nid:0\ndestination:/a\n\nbody\0",
            "malformed",
            "SUBSCRIBE must not have a body in STOMP 1.2; only SEND may",
        ),
        (
            b"SUBSCRIBE\nid:0\ndestination:/a\ncontent-length:4\n\nbody\0",
            "malformed",
            "SUBSCRIBE must not have a body",
        ),
        (b"SUBSCRIBE\nid:0\ndestination:/a\ncontent-length:0\n\nx\0", "malformed", "content-length says 0"),
        (
            b"SEND\ndestination:/a\ncontent-length:3\n\nhelloX\0",
            "malformed",
            "content-length says 3, but the octet after",
        ),
        (b"SEND\ndestination:/a\ncontent-length:-1\n\nbody\0", "header", 'in digits; "-1" is not'),
        (b"SEND\ndestination:/a\ncontent-length:abc\n\nbody\0", "header", 'in digits; "abc" is not'),
        (b"SEND\ndestination:/a\ncontent-length:\n\nbody\0", "header", 'in digits; "" is not'),
        (b"SEND\ndestination:/a\ncontent-length: 4\n\nbody\0", "header", 'in digits; " 4" is not'),
        ("SEND\ndestination:/a\ncontent-length:४\n\nbody\0".encode(), "header", "in digits"),
        (b"SEND\nfoo:1\n\nx\0", "header", "the header destination is missing; SEND requires destination"),
        (b"SEND\ndestination:\n\nx\0", "header", "the header destination is empty"),
        (
            b"SUBSCRIBE\ndestination:/a\n\n\0",
            "header",
            "the header id is missing; SUBSCRIBE requires id, destination in STOMP 1.2",
        ),
        (b"SUBSCRIBE\nid:0\n\n\0", "header", "the header destination is missing"),
        (b"SUBSCRIBE\nid:0\ndestination:\n\n\0", "header", "the header destination is empty"),
        (
            b"SUBSCRIBE\nid:0\ndestination:/a\nack:sometimes\n\n\0",
            "header",
            "ack must be one of auto, client, client-individual",
        ),
        (b"UNSUBSCRIBE\ndestination:/a\n\n\0", "header", "the header id is missing"),
        (b"ACK\nmessage-id:1\nsubscription:0\n\n\0", "header", "the header id is missing"),
        (b"NACK\n\n\0", "header", "the header id is missing"),
        (b"BEGIN\n\n\0", "header", "the header transaction is missing"),
        (b"COMMIT\n\n\0", "header", "the header transaction is missing"),
        (b"ABORT\ntransaction:\n\n\0", "header", "the header transaction is empty"),
        (
            b"SEND\ndestination:/a\n\0",
            "malformed",
            "a NUL octet stands among the headers; a blank line must end the headers",
        ),
        (b"SEND\0\n\n\0", "malformed", "a NUL octet stands among the headers"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_clear_words(data: bytes, code: str, words: str):
    found = violation(server(), data)
    assert found.code == code
    assert words in found.detail
    assert found.error.startswith(b"ERROR\nmessage:")
    assert found.detail.encode() in found.error


@pytest.mark.parametrize(
    ("data", "version", "words"),
    [
        (b"SEND\ndestination:/a\nk:\\r\n\nx\0", Version.V1_1, "the escape \\r is not defined in STOMP 1.1"),
        (
            b"ACK\nsubscription:0\n\n\0",
            Version.V1_1,
            "the header message-id is missing; ACK requires message-id, subscription",
        ),
        (b"ACK\nmessage-id:0\n\n\0", Version.V1_1, "the header subscription is missing"),
        (b"NACK\nmessage-id:0\n\n\0", Version.V1_0, "the command NACK does not exist in STOMP 1.0"),
        (b"UNSUBSCRIBE\n\n\0", Version.V1_0, "the header id or destination is missing"),
        (
            b"ACK\n\n\0",
            Version.V1_0,
            "the header message-id is missing; ACK requires message-id in STOMP 1.0",
        ),
    ],
)
def test_what_breaks_a_rule_of_an_older_version_is_refused_in_clear_words(
    data: bytes, version: Version, words: str
):
    assert words in violation(server(version), data).detail


def test_what_the_peer_wrote_is_quoted_short_and_printable():
    found = violation(server(), b"SEND\ndestination:/a\n" + b"\x1b[31m\\" * 200 + b"\n\nx\0")
    assert "\x1b" not in found.detail
    assert "\\" not in found.detail
    assert len(found.detail) < 120


@pytest.mark.parametrize(
    "data",
    [
        b"SEND\nreceipt:r7\n\nx\0",
        b"SEND\nreceipt:r7\nnonsense\n\nx\0",
        b"SEND\nnonsense\nreceipt:r7\n\nx\0",
        b"NONSENSE\nreceipt:r7\n\nx\0",
        b"SEND\r\nreceipt:r7\r\n\r\nx\0",
        b"SEND\ndestination:/a\nreceipt:r7\ncontent-length:3\n\nhelloX\0",
        b"SEND\ndestination:/a\nreceipt:r7\ncontent-length:99999999999999999999\n\nx",
        b"SUBSCRIBE\nid:0\ndestination:/a\nreceipt:r7\n\nbody\0",
        b"CONNECT\nreceipt:r7\n\n\0",
        b"RECEIPT\nreceipt:r7\n\n\0",
        b"SEND\nreceipt:r7\n\0",
        b"SEND\nreceipt:r7\nk:" + b"x" * 10_000,
    ],
)
def test_error_carries_the_receipt_id_when_the_frame_asked_for_one(data: bytes):
    assert b"\nreceipt-id:r7\n" in violation(server(), data).error


def test_receipt_id_of_an_error_is_escaped_as_it_was():
    assert b"\nreceipt-id:a\\cb\\nc\n" in violation(server(), b"SEND\nreceipt:a\\cb\\nc\n\nx\0").error


@pytest.mark.parametrize("receipt", [b"a\\tb", b"\xff"])
def test_receipt_that_cannot_be_read_is_left_out(receipt: bytes):
    assert b"receipt-id" not in violation(server(), b"SEND\nreceipt:" + receipt + b"\n\nx\0").error


def test_error_frame_is_plain_text_with_a_length():
    found = violation(server(), b"WRONG\n\n\0")
    head, _, body = found.error.partition(b"\n\n")
    assert b"\ncontent-type:text/plain" in head
    assert b"\ncontent-length:%d" % (len(body) - 1) in head
    assert body == found.detail.encode() + b"\0"


def test_nothing_comes_after_a_violation():
    session = server()
    found = events(
        session, b"WRONG\n\n\0SEND\ndestination:/a\n\nx\0", b"SEND\ndestination:/a\n\nx\0", b"more"
    )
    assert [type(each) for each in found] == [Violation]
    assert session.state is State.CLOSING
    assert session.buffered_bytes == 0


def test_decoder_raises_its_own_error_alone():
    plain = decoder()
    plain.feed(b"NONSENSE\n\n\0")
    with pytest.raises(FrameRefusedError, match="unknown command") as caught:
        plain.next_frame()
    assert caught.value.code == "command"
    assert str(caught.value) == caught.value.detail
