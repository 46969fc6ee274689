import pytest
from wire_support import connect, event, events, frame, server, violation

from stompede.errors import LocalProtocolError
from stompede.messaging.message import Message
from stompede.wire.stomp import (
    Abort,
    Ack,
    Begin,
    Commit,
    Disconnect,
    Limits,
    Nack,
    Send,
    State,
    Subscribe,
    Unsubscribe,
    Version,
    Violation,
)

# Frames of a session.


def test_send_tells_destination_body_and_head():
    found = event(
        server(),
        b"SEND\ndestination:/app/x\ncontent-type:text/plain\ncontent-length:2\nreceipt:r\ntransaction:t\n"
        b"client-request-code:17\nauthorization:Bearer a\nk:v\nmessage-id:9\nsubscription:8\nack:7\n"
        b"Passcode:p\nLOGIN :l\n\nhi\0",
    )
    assert isinstance(found, Send)
    head = found.head
    assert (found.destination, found.body) == ("/app/x", b"hi")
    assert (head.destination, head.content_type, head.content_length) == ("/app/x", "text/plain", 2)
    assert (head.receipt, head.transaction, head.client_request_code) == ("r", "t", "17")
    assert head.authorization == "Bearer a"
    assert head.forwarded == {"client-request-code": "17", "k": "v"}
    assert head.memo is None


def test_heads_cannot_be_changed():
    found = event(server(), b"SEND\ndestination:/a\nk:v\n\n\0")
    assert isinstance(found, Send)
    with pytest.raises(TypeError):
        found.head.headers["k"] = "w"  # type: ignore[index]
    with pytest.raises(TypeError):
        found.head.forwarded["k"] = "w"  # type: ignore[index]


def test_first_authorization_counts_whatever_its_case():
    found = event(server(), b"SEND\ndestination:/a\nAUTHORIZATION:Bearer 1\nauthorization:Bearer 2\n\n\0")
    assert isinstance(found, Send)
    assert found.head.authorization == "Bearer 1"
    assert found.head.forwarded == {}


@pytest.mark.parametrize("version", [Version.V1_1, Version.V1_2])
def test_subscribe_tells_id_destination_and_ack(version: Version):
    found = event(server(version), b"SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0")
    assert isinstance(found, Subscribe)
    assert (found.id, found.destination, found.ack, found.id_given) == ("0", "/topic/a", "auto", True)


@pytest.mark.parametrize("ack", ["auto", "client", "client-individual"])
def test_subscribe_knows_three_ack_modes(ack: str):
    found = event(server(), f"SUBSCRIBE\nid:0\ndestination:/topic/a\nack:{ack}\n\n\0".encode())
    assert isinstance(found, Subscribe)
    assert found.ack == ack


def test_destination_is_the_id_of_a_1_0_subscription_without_one():
    session = server(Version.V1_0)
    found = event(session, b"SUBSCRIBE\ndestination:/topic/a\n\n\0")
    assert isinstance(found, Subscribe)
    assert (found.id, found.id_given) == ("/topic/a", False)
    gone = event(session, b"UNSUBSCRIBE\ndestination:/topic/a\n\n\0")
    assert isinstance(gone, Unsubscribe)
    assert gone.id == "/topic/a"


def test_1_0_subscription_may_have_an_id():
    session = server(Version.V1_0)
    found = event(session, b"SUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0")
    assert isinstance(found, Subscribe)
    assert (found.id, found.id_given) == ("0", True)
    gone = event(session, b"UNSUBSCRIBE\nid:0\ndestination:/topic/a\n\n\0")
    assert isinstance(gone, Unsubscribe)
    assert gone.id == "0"


@pytest.mark.parametrize(
    ("version", "headers", "named", "subscription"),
    [
        (Version.V1_0, "message-id:m-1\n", "m-1", None),
        (Version.V1_1, "message-id:m-1\nsubscription:0\n", "m-1", "0"),
        (Version.V1_2, "id:a-1\n", "a-1", None),
    ],
)
def test_ack_and_nack_name_what_they_acknowledge(
    version: Version, headers: str, named: str, subscription: str | None
):
    for command, kind in (("ACK", Ack), ("NACK", Nack)):
        if (version, command) == (Version.V1_0, "NACK"):
            continue
        found = event(server(version), f"{command}\n{headers}\n\0".encode())
        assert isinstance(found, kind)
        assert (found.id, found.subscription) == (named, subscription)


PLAIN = b"ACK\nid:1-1\n\n\0"
ANOTHER = b"ACK\nid:1-2\nreceipt:r\n\n\0"


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN + b"\n",
        PLAIN + PLAIN,
        PLAIN + b"\n" + PLAIN,
        PLAIN + ANOTHER + PLAIN,
        b"\n" + PLAIN + PLAIN[:5],
    ],
)
def test_an_ack_that_is_there_as_a_whole_is_read_as_one_that_comes_in_parts(data: bytes):
    found = events(server(), data)
    assert [each.id for each in found if isinstance(each, Ack)][:1] == ["1-1"]
    assert found == events(server(), *(data[at : at + 1] for at in range(len(data))))


def test_an_ack_keeps_within_the_limits_of_a_head():
    assert (
        violation(server(limits=Limits(max_header_line_bytes=60)), b"ACK\nid:" + b"1" * 64 + b"\n\n\0").code
        == "limit"
    )


@pytest.mark.parametrize(("command", "kind"), [("BEGIN", Begin), ("COMMIT", Commit), ("ABORT", Abort)])
def test_transactions_are_named(command: str, kind: type):
    found = event(server(), f"{command}\ntransaction:t1\nreceipt:r\n\n\0".encode())
    assert isinstance(found, kind)
    assert found.transaction == "t1"
    assert found.head.receipt == "r"


def test_disconnect_ends_the_events_and_can_still_be_answered():
    session = server()
    data = b"DISCONNECT\nreceipt:bye\n\n\0SEND\ndestination:/a\nreceipt:late\n\nx\0"
    (found,) = events(session, data, b"SEND\ndestination:/a\n\nx\0")
    assert isinstance(found, Disconnect)
    assert found.head.receipt == "bye"
    assert session.state is State.DISCONNECTING
    assert session.buffered_bytes == 0
    assert session.send_receipt("bye") == b"RECEIPT\nreceipt-id:bye\n\n\0"


def test_disconnect_needs_no_header():
    assert isinstance(event(server(), b"DISCONNECT\n\n\0"), Disconnect)


# Frames of the server.


@pytest.mark.parametrize(
    ("version", "written"), [(Version.V1_0, "a:b"), (Version.V1_1, "a\\cb"), (Version.V1_2, "a\\cb")]
)
def test_receipt_id_is_escaped_as_the_version_wants(version: Version, written: str):
    assert server(version).send_receipt("a:b") == f"RECEIPT\nreceipt-id:{written}\n\n\0".encode()


@pytest.mark.parametrize("version", list(Version))
def test_receipt_gives_back_what_the_client_wrote(version: Version):
    session = server(version)
    found = event(session, b"SEND\ndestination:/a\nreceipt:a\\\\b\\c\n\nx\0")
    assert isinstance(found, Send)
    assert found.head.receipt is not None
    assert b"receipt-id:a\\\\b\\c\n" in session.send_receipt(found.head.receipt)


def test_message_to_one_session():
    message = Message("/session/queue/replies", b"{}", "application/json", {"client-request-code": "17"})
    data = server().send_message(message, message_id="m-1", subscription="sub:0", ack="a-1")
    head, body = frame(data)
    assert head.headers == {
        "subscription": "sub:0",
        "ack": "a-1",
        "message-id": "m-1",
        "destination": "/session/queue/replies",
        "content-type": "application/json",
        "content-length": "2",
        "client-request-code": "17",
    }
    assert body == b"{}"


def test_error_ends_the_session():
    session = server()
    head, body = frame(session.send_error("slow:\nconsumer", headers={"reconnect": "true"}))
    assert head.headers["message"] == "slow:\nconsumer"
    assert head.headers["reconnect"] == "true"
    assert head.content_length == 0
    assert body == b""
    assert events(session, b"SEND\ndestination:/a\n\nx\0") == []
    with pytest.raises(
        LocalProtocolError, match="cannot send ERROR while the session is closing; possible is nothing more"
    ):
        session.send_error("again")
    with pytest.raises(LocalProtocolError):
        session.send_receipt("r")


def test_a_known_head_does_not_count_after_the_end():
    session = server()
    send = b"SEND\ndestination:/a\n\nx\0"
    for _ in range(3):
        assert isinstance(event(session, send), Send)
    session.send_error("over")
    assert events(session, send, send) == []


def test_version_is_not_known_before_connected():
    session, _ = connect("accept-version:1.2\nhost:/\n")
    assert session.version is None
    with pytest.raises(LocalProtocolError, match="cannot send RECEIPT while the session is connecting"):
        session.send_receipt("r")


def test_violation_after_pipelined_frames_comes_in_its_place():
    found = events(
        server(),
        b"SEND\ndestination:/a\n\n1\0SEND\ndestination:/a\n\n2\0BAD\n\n\0SEND\ndestination:/a\n\n3\0",
    )
    assert [type(each) for each in found] == [Send, Send, Violation]


# Secrets.


def test_secrets_are_in_no_representation():
    _, found = connect("accept-version:1.2\nhost:/\nlogin:cook\npasscode:hunter2\nAuthorization:Bearer abc\n")
    for shown in (
        repr(found),
        repr(found.head),
        repr(found.__rich_repr__()),
        repr(found.head.__rich_repr__()),
    ):
        assert "hunter2" not in shown
        assert "Bearer" not in shown
    sent = event(server(), b"SEND\ndestination:/a\nAuthorization:Bearer abc\n\nx\0")
    assert "Bearer" not in repr(sent)


@pytest.mark.parametrize(
    "data",
    [b"SEND\npasscode hunter2\n\n\0", b"passcode:hunter2\n\n\0", b"SEND\nAUTHORIZATION = hunter2\n\n\0"],
)
def test_a_secret_on_a_broken_line_is_not_quoted(data: bytes):
    found = violation(server(), data)
    assert "hunter2" not in found.detail
    assert b"hunter2" not in found.error
