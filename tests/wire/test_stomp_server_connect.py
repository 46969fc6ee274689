"""How a server reads CONNECT, and answers it."""

import pytest
from wire_support import connect, event, events, frame, server, violation

from stompede.wire.stomp import (
    Connect,
    HeadCache,
    HeartBeat,
    Limits,
    Send,
    ServerSession,
    State,
    Version,
)


def test_connect_tells_who_wants_what():
    _, found = connect(
        "accept-version:1.1,1.2\nhost:example.org\nlogin:cook\npasscode:s3cret\nheart-beat:100,200\n"
    )
    assert found.version is Version.V1_2
    assert found.version_offer == ("1.1", "1.2")
    assert (found.host, found.login, found.passcode) == ("example.org", "cook", "s3cret")
    assert found.heart_beat == HeartBeat(100, 200)


def test_connected_carries_version_session_server_and_heart_beat():
    session, _ = connect("accept-version:1.2\nhost:/\n")
    head, body = frame(session.send_connected(session="s-1", user_name="cook", now=0.0), None)
    assert head.command == "CONNECTED"
    assert head.headers == {
        "version": "1.2",
        "session": "s-1",
        "server": "test/1",
        "heart-beat": "5000,6000",
        "user-name": "cook",
    }
    assert body == b""
    assert session.version is Version.V1_2
    assert session.state is State.CONNECTED


def test_connected_of_1_0_says_nothing_of_heart_beats():
    session, found = connect("login:cook\npasscode:x\nheart-beat:nonsense\n")
    assert found.version is Version.V1_0
    assert found.heart_beat == HeartBeat(0, 0)
    head, _ = frame(session.send_connected(session="s-1", now=0.0), None)
    assert head.headers == {"version": "1.0", "session": "s-1", "server": "test/1"}


def test_connected_is_not_escaped_and_cannot_be_broken_out_of():
    session, _ = connect("accept-version:1.2\nhost:/\n")
    head, _ = frame(session.send_connected(session="a:b", user_name="co:ok\\\nadmin:true", now=0.0), None)
    assert head.headers["session"] == "a:b"
    assert head.headers["user-name"] == "co:ok\\ admin:true"
    assert "admin" not in head.headers


@pytest.mark.parametrize("command", ["CONNECT", "STOMP"])
def test_stomp_is_another_word_for_connect(command: str):
    assert isinstance(event(server(None), f"{command}\naccept-version:1.2\nhost:/\n\n\0".encode()), Connect)


@pytest.mark.parametrize("before", [b"", b"\n", b"\r\n\n"])
def test_connect_may_end_its_lines_with_cr_lf_as_the_version_is_not_known_yet(before: bytes):
    found = event(server(None), before + b"CONNECT\r\naccept-version:1.1\r\nhost:/\r\nlogin:a\r\n\r\n\0\r\n")
    assert isinstance(found, Connect)
    assert (found.version, found.host, found.login) == (Version.V1_1, "/", "a")


def test_connect_is_never_unescaped():
    _, found = connect("accept-version:1.2\nhost:/\npasscode:a\\nb\nkey:\\value\n")
    assert found.passcode == "a\\nb"
    assert found.head.headers["key"] == "\\value"


def test_connect_of_1_0_is_trimmed_and_that_of_others_is_not():
    assert connect("login: cook \npasscode: x\n")[1].login == "cook"
    assert connect("accept-version:1.2\nlogin: cook \n")[1].login == " cook "


def test_connect_without_host_is_taken_as_stompjs_sends_none():
    assert connect("accept-version:1.2\n")[1].host is None


def test_secrets_of_connect_are_not_forwarded():
    _, found = connect(
        "accept-version:1.2\nhost:/\nlogin:a\npasscode:b\nAuthorization:Bearer x\nk:v\nLogin:c\n"
    )
    assert found.head.forwarded == {"accept-version": "1.2", "host": "/", "k": "v"}
    assert found.head.authorization == "Bearer x"


def test_no_common_version_is_refused_with_the_versions_that_are_spoken():
    found = violation(server(None), b"CONNECT\naccept-version:9.0,10.1\nhost:/\nreceipt:c1\n\n\0")
    assert found.code == "version"
    assert "none of the versions" in found.detail
    assert b"\nversion:1.0,1.1,1.2\n" in found.error
    assert b"\nreceipt-id:c1\n" in found.error


def test_versions_can_be_restricted():
    session = ServerSession(
        limits=Limits(), heart_beat=HeartBeat(), server=None, cache=HeadCache(), versions=(Version.V1_2,)
    )
    found = violation(session, b"CONNECT\nlogin:a\n\n\0")
    assert b"\nversion:1.2\n" in found.error


@pytest.mark.parametrize(
    "value",
    ["0", "0,10,50", "99999999999999999999,0", "-1,0", "a,b", "1.5,0", "", ",", "2147483648,0", "٣,0"],
)
def test_malformed_heart_beat_is_refused(value: str):
    found = violation(server(None), f"CONNECT\naccept-version:1.2\nhost:/\nheart-beat:{value}\n\n\0".encode())
    assert found.code == "header"
    assert "as in 10000,10000" in found.detail


def test_frames_behind_connect_wait_for_its_answer():
    session = server(None)
    data = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0SEND\ndestination:/a\nk:\\c\n\nx\0"
    (found,) = events(session, data)
    assert isinstance(found, Connect)
    assert session.next_event() is None
    assert session.buffered_bytes > 0
    session.send_connected(session="1", now=0.0)
    sent = session.next_event()
    assert isinstance(sent, Send)
    assert sent.head.headers["k"] == ":"


def test_connect_can_be_refused():
    session, _ = connect("accept-version:1.2\nhost:/\n")
    error = session.send_error(
        "login failed", detail="the passcode is wrong", receipt_id="r", headers={"code": "login-failed"}
    )
    head, body = frame(error, None)
    assert head.headers["message"] == "login failed"
    assert head.headers["receipt-id"] == "r"
    assert head.headers["code"] == "login-failed"
    assert head.headers["content-type"] == "text/plain"
    assert body == b"the passcode is wrong"
    assert session.state is State.CLOSING


def test_error_before_connected_has_no_backslash_in_it_as_no_version_says_how_to_read_it():
    session = server(None)
    found = violation(session, b"CONNECT\nreceipt:a\\b\nno colon\n\n\0")
    assert b"\nreceipt-id:a\\b\n" in found.error  # as it came: CONNECT is not escaped
    assert b"message:a/b\n" in server(None).send_error("a\\b")
