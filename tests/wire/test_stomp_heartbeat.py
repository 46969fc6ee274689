import pytest
from wire_support import events, server

from stompede.errors import LocalProtocolError
from stompede.wire.stomp import ClientSession, Deadline, HeartBeat, ServerSession, Version
from stompede.wire.stomp.heartbeat import negotiate, parse_heart_beat


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, HeartBeat(0, 0)),
        ("0,0", HeartBeat(0, 0)),
        ("10,20", HeartBeat(10, 20)),
        ("10, 20", HeartBeat(10, 20)),
    ],
)
def test_heart_beat_header_is_read(value: str | None, read: HeartBeat):
    assert parse_heart_beat(value) == read


@pytest.mark.parametrize(
    "value", ["", "1", "1,2,3", "-1,0", "x,0", "1.5,0", "99999999999,0", "2147483648,0", "²,0"]
)
def test_malformed_heart_beat_header_is_none(value: str):
    assert parse_heart_beat(value) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        # STOMP 1.2 "Heart-beating": a direction is 0 where either end is 0, else the max of both.
        (HeartBeat(0, 0), HeartBeat(0, 0), (0, 0)),
        (HeartBeat(1000, 0), HeartBeat(0, 2000), (2.0, 0)),
        (HeartBeat(2000, 0), HeartBeat(0, 1000), (2.0, 0)),
        (HeartBeat(0, 1000), HeartBeat(3000, 0), (0, 3.0)),
        (HeartBeat(1000, 1000), HeartBeat(0, 0), (0, 0)),
        (HeartBeat(0, 0), HeartBeat(1000, 1000), (0, 0)),
        (HeartBeat(1000, 4000), HeartBeat(2000, 3000), (3.0, 4.0)),
    ],
)
def test_both_directions_are_agreed_on_by_the_formula(
    ours: HeartBeat, theirs: HeartBeat, agreed: tuple[float, float]
):
    assert negotiate(ours, theirs) == agreed


def beating(sends_ms: int = 0, receives_ms: int = 0) -> ServerSession:
    return server(
        heart_beat=HeartBeat(sends_ms, receives_ms), client=HeartBeat(receives_ms, sends_ms), now=100.0
    )


def test_without_heart_beats_there_is_no_deadline():
    session = beating()
    assert not session.expects_heart_beats
    assert session.next_deadline() is None
    assert session.on_deadline(1e9) == ()


def test_own_beat_is_due_a_little_before_the_peer_counts_on_it():
    session = beating(sends_ms=10_000)
    assert session.next_deadline() == 109.5
    assert session.on_deadline(109.4) == ()
    assert session.on_deadline(109.5) == (Deadline.SEND_HEART_BEAT,)
    assert session.send_heart_beat(109.5) == b"\n"
    assert session.next_deadline() == 119.0


def test_own_beat_of_a_short_interval_is_due_at_its_half():
    assert beating(sends_ms=100).next_deadline() == pytest.approx(100.05)


def test_whatever_is_written_counts_as_a_beat():
    session = beating(sends_ms=10_000)
    session.note_sent(108.0)
    assert session.on_deadline(109.5) == ()
    assert session.next_deadline() == 117.5


def test_silent_peer_is_noticed_after_twice_its_interval_and_a_little():
    session = beating(receives_ms=1000)
    assert session.expects_heart_beats
    assert session.next_deadline() == 102.5
    assert session.on_deadline(102.4) == ()
    assert session.on_deadline(102.5) == (Deadline.PEER_SILENT,)


@pytest.mark.parametrize("sign", [b"\n", b"\r\n", b"S", b"SEND\ndestination:/a\n\nx\0"])
def test_any_octet_is_a_sign_of_life(sign: bytes):
    session = beating(receives_ms=1000)
    session.receive_data(sign, 102.0)
    assert session.on_deadline(102.5) == ()
    assert session.next_deadline() == 104.5


def test_end_of_line_is_a_sign_of_life_though_frames_are_not_asked_for():
    session = beating(receives_ms=1000)
    session.receive_data(b"SEND\ndestination:/a\n\nx\0", 101.0)
    session.receive_data(b"\n", 102.0)
    assert session.next_deadline() == 104.5


def test_peer_is_not_silent_while_this_side_does_not_read():
    session = beating(receives_ms=1000)
    session.suspend_receiving()
    assert session.next_deadline() is None
    assert session.on_deadline(1000.0) == ()
    session.resume_receiving(1000.0)
    assert session.on_deadline(1000.0) == ()
    assert session.next_deadline() == 1002.5


def test_a_peer_of_whom_a_part_was_heard_is_not_silent():
    session = beating(sends_ms=0, receives_ms=1000)
    session.note_heard(102.0)
    assert session.next_deadline() == 104.5
    assert session.on_deadline(104.0) == ()
    assert session.on_deadline(104.5) == (Deadline.PEER_SILENT,)


def test_own_beats_go_on_while_this_side_does_not_read():
    session = beating(sends_ms=1000, receives_ms=1000)
    session.suspend_receiving()
    assert session.next_deadline() == 100.5
    assert session.on_deadline(200.0) == (Deadline.SEND_HEART_BEAT,)


def test_earlier_of_two_deadlines_counts():
    session = server(heart_beat=HeartBeat(60_000, 1000), client=HeartBeat(1000, 60_000), now=100.0)
    assert session.next_deadline() == 102.5
    session = server(heart_beat=HeartBeat(1000, 60_000), client=HeartBeat(60_000, 1000), now=100.0)
    assert session.next_deadline() == 100.5


def test_a_silent_peer_gets_no_beat():
    session = beating(sends_ms=1000, receives_ms=1000)
    assert session.on_deadline(200.0) == (Deadline.PEER_SILENT,)


def test_there_are_no_heart_beats_in_1_0():
    session = server(Version.V1_0, heart_beat=HeartBeat(1000, 1000), client=HeartBeat(1000, 1000))
    assert not session.expects_heart_beats
    assert session.next_deadline() is None


def test_no_beat_may_be_sent_before_connected_or_after_the_end():
    session = server(None)
    with pytest.raises(LocalProtocolError, match="no heart-beats while the session is open"):
        session.send_heart_beat(0.0)
    session = beating(sends_ms=1000, receives_ms=1000)
    session.send_error("over")
    assert session.next_deadline() is None
    assert session.on_deadline(1e9) == ()
    with pytest.raises(LocalProtocolError):
        session.send_heart_beat(0.0)


def test_after_disconnect_the_client_need_not_beat_but_the_server_goes_on():
    session = beating(sends_ms=1000, receives_ms=1000)
    events(session, b"DISCONNECT\nreceipt:r\n\n\0")
    assert session.next_deadline() == 100.5
    assert session.on_deadline(200.0) == (Deadline.SEND_HEART_BEAT,)


def test_client_agrees_on_the_same_as_the_server():
    peer = server(None, heart_beat=HeartBeat(2000, 500))
    client = ClientSession(heart_beat=HeartBeat(1000, 300))
    peer.receive_data(client.send_connect(host="/", now=50.0), 50.0)
    peer.next_event()
    client.receive_data(peer.send_connected(session="1", now=50.0), 50.0)
    client.next_event()
    # Server to client every 2 s, client to server every 1 s.
    assert peer.next_deadline() == 51.5
    assert client.next_deadline() == 50.5
    assert client.expects_heart_beats
    client.note_sent(60.0)
    assert client.next_deadline() == 54.5
    assert client.on_deadline(54.5) == (Deadline.PEER_SILENT,)
