import pytest
from wire_support import frame

from stompede.messaging.message import Message
from stompede.wire.stomp import (
    Frame,
    Version,
    encode_frame,
    escape,
    message_parts,
    message_without_subscription,
)
from stompede.wire.stomp.encode import encode_error, encode_message

MESSAGE = Message(
    "/topic/a:b", b"x\0y", "text/plain;charset=utf-8", {"k": "v", "a:b": "c\nd", "content-length": "9"}
)


def test_message_is_cut_where_the_subscription_id_stands():
    before, after = message_parts(Version.V1_2, "m-1", Message("/topic/a", b"hi", "text/plain", {"k": "v"}))
    assert before == b"MESSAGE\nsubscription:"
    assert (
        after
        == b"\nmessage-id:m-1\ndestination:/topic/a\ncontent-type:text/plain\ncontent-length:2\nk:v\n\nhi\0"
    )


def test_message_id_may_be_bytes():
    assert message_parts(Version.V1_2, b"m-1", MESSAGE) == message_parts(Version.V1_2, "m-1", MESSAGE)


@pytest.mark.parametrize("version", list(Version))
def test_message_can_be_read_again(version: Version):
    before, after = message_parts(version, "m:1", MESSAGE)
    whole = before + escape(version, "sub:0").encode() + after
    assert whole == encode_message(version, "m:1", MESSAGE, "sub:0", None)
    head, body = frame(whole, version)
    assert body == b"x\0y"
    expected = {
        "subscription": "sub:0",
        "message-id": "m:1",
        "destination": "/topic/a:b",
        "content-type": "text/plain;charset=utf-8",
        "content-length": "3",
        "k": "v",
    }
    expected |= {"a b": "c d"} if version is Version.V1_0 else {"a:b": "c\nd"}
    assert head.headers == expected


def test_message_of_a_1_0_subscription_without_id_has_none():
    data = message_without_subscription(Version.V1_0, "m-1", Message("/topic/a", b"hi"))
    assert data == b"MESSAGE\nmessage-id:m-1\ndestination:/topic/a\ncontent-length:2\n\nhi\0"
    assert encode_message(Version.V1_0, "m-1", Message("/topic/a", b"hi"), None, None) == data


def test_application_headers_cannot_repeat_those_of_the_message():
    headers = {
        "destination": "/x",
        "message-id": "x",
        "subscription": "x",
        "content-type": "x",
        "ack": "x",
        "k": "v",
    }
    _, after = message_parts(Version.V1_2, "m-1", Message("/topic/a", b"", None, headers))
    assert after == b"\nmessage-id:m-1\ndestination:/topic/a\ncontent-length:0\nk:v\n\n\0"


def test_headers_of_1_0_cannot_smuggle_in_others():
    _, after = message_parts(
        Version.V1_0, "m-1", Message("/topic/a", b"", None, {"k": "v\nadmin:true", "x\ny:z": "w"})
    )
    head, _ = frame(b"MESSAGE\nsubscription:0" + after, Version.V1_0)
    assert head.headers["k"] == "v admin:true"
    assert head.headers["x y z"] == "w"
    assert "admin" not in head.headers


def test_escapes_are_those_of_the_version():
    message = Message("/topic/a", b"", None, {"c": ":", "n": "\n", "b": "\\", "r": "\r"})
    assert message_parts(Version.V1_2, "1", message)[1].endswith(b"\nc:\\c\nn:\\n\nb:\\\\\nr:\\r\n\n\0")
    assert message_parts(Version.V1_1, "1", message)[1].endswith(b"\nc:\\c\nn:\\n\nb:\\\\\nr:\r\n\n\0")


def test_any_frame_can_be_encoded():
    data = encode_frame(Version.V1_2, Frame("SEND", {"destination": "/a", "k:": "\n"}, b"hi"))
    assert data == b"SEND\ndestination:/a\nk\\c:\\n\ncontent-length:2\n\nhi\0"
    assert encode_frame(Version.V1_2, Frame("DISCONNECT")) == b"DISCONNECT\n\n\0"
    assert encode_frame(Version.V1_2, Frame("CONNECT", {"login": "a:b\\"})) == b"CONNECT\nlogin:a:b\\\n\n\0"


def test_error_is_plain_text_with_its_length():
    data = encode_error(Version.V1_2, "a:b", "größer", "r:1", {"version": "1.2"})
    head, body = frame(data)
    assert head.headers == {
        "message": "a:b",
        "receipt-id": "r:1",
        "version": "1.2",
        "content-type": "text/plain",
        "content-length": "8",
    }
    assert body.decode() == "größer"


@pytest.mark.parametrize("version", list(Version))
def test_a_header_that_nobody_could_read_is_left_out(version: Version):
    headers = {"": "a", ":": "b", "\n": "c", "subscription ": "d", "k": "v"}
    head, body = frame(
        encode_message(version, "m-1", Message("/a", b"x", None, headers), None, None), Version.V1_0
    )
    assert body == b"x"
    assert head.headers["k"] == "v"
    assert "" not in head.headers
    if version is Version.V1_0:
        assert set(head.headers) == {"message-id", "destination", "content-length", "k"}
