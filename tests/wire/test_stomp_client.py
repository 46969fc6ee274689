import pytest
from wire_support import client, event, events, server

from stompede.errors import LocalProtocolError
from stompede.wire.stomp import (
    ALL_VERSIONS,
    Ack,
    ClientSession,
    Connect,
    Connected,
    ErrorReceived,
    HeartBeat,
    MessageReceived,
    Nack,
    Receipt,
    Send,
    ServerSession,
    ServerViolation,
    State,
    Subscribe,
    Version,
)


def test_connect_offers_versions_and_heart_beats():
    session = ClientSession(heart_beat=HeartBeat(1000, 2000))
    data = session.send_connect(
        host="example.org", login="cook", passcode="s:\\x", headers={"Authorization": "Bearer a"}, now=0.0
    )
    found = event(server(None), data)
    assert isinstance(found, Connect)
    assert found.version_offer == ("1.0", "1.1", "1.2")
    assert (found.host, found.login, found.passcode) == ("example.org", "cook", "s:\\x")
    assert found.heart_beat == HeartBeat(1000, 2000)
    assert found.head.authorization == "Bearer a"


def test_connect_says_no_login_that_there_is_not():
    data = ClientSession().send_connect(host="/", now=0.0)
    assert b"login" not in data
    assert b"passcode" not in data


@pytest.mark.parametrize(
    "headers", [{"k": "a\nadmin:true"}, {"k:x": "v"}, {"k\n": "v"}, {"": "v"}, {"k": "a\0"}, {"k": "a\r"}]
)
def test_connect_refuses_what_it_cannot_express(headers: dict[str, str]):
    session = ClientSession()
    with pytest.raises(LocalProtocolError, match="CONNECT cannot express its header"):
        session.send_connect(host="/", headers=headers, now=0.0)
    assert session.state is State.OPEN


def connected(data: bytes, versions: tuple[Version, ...] = ALL_VERSIONS) -> tuple[ClientSession, object]:
    session = ClientSession(versions=versions)
    session.send_connect(host="/", now=0.0)
    return session, event(session, data)


def test_connected_tells_what_the_server_said():
    session, found = connected(
        b"CONNECTED\nversion:1.1\nsession:s-1\nserver:test/1\nheart-beat:5,6\nuser-name:co\\ok\nk:v\n\n\0"
    )
    assert isinstance(found, Connected)
    assert (found.version, found.session, found.server) == (Version.V1_1, "s-1", "test/1")
    assert found.user_name == "co\\ok"  # never unescaped
    assert found.heart_beat == HeartBeat(5, 6)
    assert found.headers["k"] == "v"
    assert session.version is Version.V1_1


def test_connected_without_a_version_is_1_0():
    session, found = connected(b"CONNECTED\nsession: s-1\n\n\0")
    assert isinstance(found, Connected)
    assert found.session == "s-1"
    assert session.version is Version.V1_0


def test_connected_may_end_its_lines_with_cr_lf():
    session, _ = connected(b"CONNECTED\r\nversion:1.2\r\n\r\n\0\r\n")
    assert session.version is Version.V1_2


@pytest.mark.parametrize("version", ["1.3", "", "1.0"])
def test_a_version_that_was_not_offered_is_a_violation(version: str):
    _, found = connected(f"CONNECTED\nversion:{version}\n\n\0".encode(), (Version.V1_1, Version.V1_2))
    assert isinstance(found, ServerViolation)
    assert found.code == "version"


def test_malformed_heart_beat_of_the_server_is_a_violation():
    _, found = connected(b"CONNECTED\nversion:1.2\nheart-beat:1\n\n\0")
    assert isinstance(found, ServerViolation)
    assert found.code == "header"


def test_refused_connect_is_an_error():
    session, found = connected(b"ERROR\nmessage:no\nversion:1.2\ncontent-length:2\n\n\0!\0")
    assert isinstance(found, ErrorReceived)
    assert found.headers["version"] == "1.2"
    assert found.body == b"\0!"
    assert session.state is State.CLOSING


def test_message_receipt_and_error_are_told():
    session = client()
    found = events(
        session,
        b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/a\nk:\\c\ncontent-length:3\n\na\0b\0\n"
        b"RECEIPT\nreceipt-id:r\\c1\n\n\0RECEIPT\nreceipt-id:\n\n\0ERROR\nmessage:x\n\nmore\0MESSAGE\n\n\0",
    )
    message, receipt, empty, error = found
    assert isinstance(message, MessageReceived)
    assert (message.headers["k"], message.body) == (":", b"a\0b")
    assert receipt == Receipt("r:1")
    assert empty == Receipt("")
    assert isinstance(error, ErrorReceived)
    assert (error.headers["message"], error.body) == ("x", b"more")
    assert events(session, b"RECEIPT\nreceipt-id:1\n\n\0") == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"MESSAGE\nmessage-id:1\ndestination:/a\n\n\0", "the header subscription is missing"),
        (b"MESSAGE\nsubscription:1\ndestination:/a\n\n\0", "the header message-id is missing"),
        (b"RECEIPT\n\n\0", "the header receipt-id is missing"),
        (b"RECEIPT\nreceipt-id:1\n\nx\0", "must not have a body"),
        (b"SEND\ndestination:/a\n\n\0", "SEND is sent by the client, never to it"),
        (b"NONSENSE\n\n\0", "unknown command"),
    ],
)
def test_what_a_server_must_not_send_is_a_violation(data: bytes, words: str):
    found = event(client(), data)
    assert isinstance(found, ServerViolation)
    assert words in found.detail


def test_1_0_message_needs_no_subscription():
    assert isinstance(
        event(client(Version.V1_0), b"MESSAGE\nmessage-id:1\ndestination:/a\n\nx\0"), MessageReceived
    )


def pair(version: Version = Version.V1_2) -> tuple[ClientSession, ServerSession]:
    return client(version), server(version)


@pytest.mark.parametrize("version", ALL_VERSIONS)
def test_server_understands_what_the_client_sends(version: Version):
    us, them = pair(version)
    sent = event(them, us.send_send("/app/x", b"a\0b", {"k": "v"}))
    assert isinstance(sent, Send)
    assert (sent.destination, sent.body, sent.head.content_length) == ("/app/x", b"a\0b", 3)
    subscribe = event(them, us.send_subscribe("0", "/topic/a", {"ack": "client", "receipt": "r"}))
    assert isinstance(subscribe, Subscribe)
    assert (subscribe.id, subscribe.destination, subscribe.ack, subscribe.head.receipt) == (
        "0",
        "/topic/a",
        "client",
        "r",
    )
    for data in (us.send_unsubscribe("0"), us.send_begin("t"), us.send_commit("t"), us.send_abort("t")):
        assert data.decode().split("\n")[0].capitalize() == type(event(them, data)).__name__
    assert event(them, us.send_disconnect("bye")).head.receipt == "bye"  # type: ignore[union-attr]


def test_send_without_a_body_has_a_length_too():
    assert b"content-length:0\n" in client().send_send("/a", b"")


@pytest.mark.parametrize(
    ("version", "named"), [(Version.V1_0, "m-1"), (Version.V1_1, "m-1"), (Version.V1_2, "a-1")]
)
def test_messages_are_acknowledged_by_the_headers_they_had(version: Version, named: str):
    us, them = pair(version)
    message = {"message-id": "m-1", "subscription": "0", "ack": "a-1"}
    ack = event(them, us.send_ack(message, {"receipt": "r"}))
    assert isinstance(ack, Ack)
    assert (ack.id, ack.head.receipt) == (named, "r")
    if version is Version.V1_0:
        with pytest.raises(LocalProtocolError, match=r"NACK does not exist in STOMP 1\.0"):
            us.send_nack(message)
    else:
        nack = event(them, us.send_nack(message))
        assert isinstance(nack, Nack)
        assert nack.id == named


def test_client_cannot_leave_out_what_a_command_requires():
    with pytest.raises(LocalProtocolError, match="SUBSCRIBE requires the header id"):
        client().send_frame("SUBSCRIBE", {"destination": "/a"})
    with pytest.raises(LocalProtocolError, match="ACK requires the header id"):
        client().send_ack({"message-id": "1"})


def test_client_cannot_send_a_body_where_none_may_be():
    with pytest.raises(LocalProtocolError, match="SUBSCRIBE must not have a body"):
        client().send_frame("SUBSCRIBE", {"id": "0", "destination": "/a"}, b"x")


def test_what_comes_in_pieces_after_disconnect_is_still_heard():
    session = client()
    session.send_disconnect("bye")
    data = b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/a\n\nx\0RECEIPT\nreceipt-id:bye\n\n\0"
    found = events(session, *(data[at : at + 1] for at in range(len(data))))
    assert [type(each) for each in found] == [MessageReceived, Receipt]


@pytest.mark.parametrize(("version", "name"), [(Version.V1_2, ""), (Version.V1_0, ":"), (Version.V1_0, " ")])
def test_client_cannot_send_a_header_without_a_name(version: Version, name: str):
    session = client(version)
    with pytest.raises(LocalProtocolError, match="SEND has a header without a name"):
        session.send_send("/a", b"x", {name: "v"})
    assert isinstance(event(server(version), session.send_send("/a", b"x", {"k": "v"})), Send)
