"""What must hold of a STOMP connection, whatever octets come: `server` and `client`.

An input is two octets that say how it is played, then the stream as the peer writes it. The low two bits of the first
name the version that was agreed on (none, 1.0, 1.1, 1.2), the next one tight limits, the next one a session that is
slow to answer CONNECT (server) or has said DISCONNECT (client). The second says how the stream is cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from stompede.wire.stomp import (
    ALL_VERSIONS,
    NO_HEART_BEAT,
    ClientEvent,
    ClientSession,
    Connect,
    Connected,
    Disconnect,
    ErrorReceived,
    Frame,
    HeadCache,
    Limits,
    MessageReceived,
    Receipt,
    Send,
    ServerEvent,
    ServerSession,
    ServerViolation,
    State,
    Version,
    Violation,
    encode_frame,
)

TIGHT = Limits(max_headers=6, max_header_line_bytes=64, max_header_block_bytes=128, max_body_bytes=48)
USUAL = Limits(max_headers=16, max_header_line_bytes=512, max_header_block_bytes=1024, max_body_bytes=2048)
WIDE = Limits()

VERSIONS: tuple[Version | None, ...] = (None, *ALL_VERSIONS)
MORE = (
    b"SEND\ndestination:/topic/a\n\nb\0",
    b"MESSAGE\nmessage-id:1\nsubscription:1\ndestination:/a\n\nb\0",
    b"\n",
)

# Command, headers, body; or a violation's code and words.
Told = tuple[Any, ...]


class Play(NamedTuple):
    """An input, taken apart."""

    version: Version | None
    limits: Limits
    odd: bool
    cut: int
    stream: bytes

    @classmethod
    def of(cls, data: bytes) -> Play:
        how, cut = data[:2].ljust(2, b"0")
        limits = TIGHT if how & 4 else USUAL
        return cls(VERSIONS[how & 3], limits, bool(how & 8), cut, data[2:])

    def splits(self) -> list[list[bytes]]:
        """The stream in pieces of several sizes: all of them must tell the same."""
        size = self.cut % 61 + 1
        return [[self.stream], pieces(self.stream, size), [self.stream[: self.cut], self.stream[self.cut :]]]


def pieces(data: bytes, size: int) -> list[bytes]:
    """Bytes in pieces of a size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


# The server's side.


def server_session(play: Play, cache: HeadCache) -> ServerSession:
    """A session that is where the input wants it."""
    session = ServerSession(limits=play.limits, heart_beat=NO_HEART_BEAT, server=None, cache=cache)
    if play.version is not None:
        session.receive_data(b"CONNECT\naccept-version:%b\n\n\0" % play.version.value.encode(), 0.0)
        assert type(session.next_event()) is Connect
        session.send_connected(session="1", now=0.0)
        assert session.version is play.version
    return session


def hear_client(
    session: ServerSession, chunks: Iterable[bytes], limits: Limits, slow: bool
) -> list[ServerEvent]:
    """All events that the chunks make, as they came; memory is held against the limits on the way."""
    found: list[ServerEvent] = []
    for chunk in chunks:
        session.receive_data(chunk, 0.0)
        while (event := session.next_event()) is not None:
            found.append(event)
            if type(event) is Connect and not slow:
                session.send_connected(session="1", now=0.0)
        # What waits for the answer to CONNECT is bounded by who reads the socket.
        assert session.state is State.CONNECTING or session.buffered_bytes <= limits.max_frame_bytes
    if slow and session.state is State.CONNECTING:
        session.send_connected(session="1", now=0.0)
        found += hear_client(session, (b"",), limits, slow=False)
    return found


def told_by_client(event: ServerEvent) -> Told:
    """What there is to say of an event, without what only the way it came decides."""
    if type(event) is Violation:
        return "violation", event.code, event.detail, event.error
    head = event.head  # type: ignore[union-attr]  # all others have one
    body = event.body if type(event) is Send else b""
    known = head.destination, head.content_length, head.content_type, head.receipt, head.transaction
    codes = head.authorization, head.client_request_code, dict(head.forwarded), head.raw
    own = [getattr(event, name, None) for name in ("id", "ack", "subscription", "version", "heart_beat")]
    return head.command, dict(head.headers), body, known, codes, own


def server_once(data: bytes, cache: HeadCache) -> tuple[int, int]:
    """Plays the stream as it is cut, and looks at nothing but what a running node would notice.

    Returns:
        how many frames were taken, and how many refused.
    """
    play = Play.of(data)
    session = server_session(play, cache)
    chunks = [play.stream] if play.cut % 8 else pieces(play.stream, play.cut + 1)
    found = hear_client(session, chunks, play.limits, play.odd)
    refused = bool(found) and type(found[-1]) is Violation
    if play.cut & 16 and session.state in (State.CLOSING, State.DISCONNECTING):
        silent(session)
    return len(found) - refused, int(refused)


def silent(session: ServerSession | ClientSession) -> None:
    """The conversation is over: nothing is said or kept, whatever comes."""
    for more in MORE:
        session.receive_data(more, 0.0)
        assert session.next_event() is None
        assert session.buffered_bytes == 0


def server(data: bytes) -> None:
    """All that must hold of the server's side."""
    play = Play.of(data)
    told: list[Told] | None = None
    cache = HeadCache(8, 300)  # with every split heads come again: cold, noted, kept
    for chunks in play.splits():
        session = server_session(play, cache)
        events = hear_client(session, chunks, play.limits, play.odd)
        last = type(events[-1]) if events else None
        assert not any(type(event) in (Violation, Disconnect) for event in events[:-1])
        if last is Violation:
            refused_well(events[-1], session)
        if last in (Violation, Disconnect):
            silent(session)
        new = [told_by_client(event) for event in events]
        assert told is None or new == told, f"in pieces {chunks!r} it is {new}, as a whole {told}"
        told = new
    assert told is not None
    assert cache.statistics().entries <= 8
    server_again(play, [each for each in told if each[0] != "violation"])


def refused_well(event: ServerEvent, session: ServerSession) -> None:
    """What the client is told is a frame that it can read."""
    assert type(event) is Violation
    assert session.state is State.CLOSING
    assert event.code in ("limit", "malformed", "header", "command", "version")
    reader = ClientSession(limits=WIDE)
    reader.send_connect(host="/", now=0.0)
    if session.version is not None:
        reader.receive_data(connected(session.version), 0.0)
        assert type(reader.next_event()) is Connected
    reader.receive_data(event.error, 0.0)
    error = reader.next_event()
    assert type(error) is ErrorReceived, event.error
    assert error.body.decode() == event.detail
    assert error.headers["message"]


def connected(version: Version) -> bytes:
    """CONNECTED, by which a client knows the version."""
    return b"CONNECTED\nversion:%b\n\n\0" % version.value.encode()


def server_again(play: Play, told: list[Told]) -> None:
    """What was understood is written and read again: it is the same."""
    version = play.version
    stream = b""
    for command, headers, body, *_ in told:
        first = command in ("CONNECT", "STOMP")
        written = rewritten(None if first else version, command, headers, body)
        if written is None:
            return
        stream += written
        if first:
            version = choice_of(told[0])
    session = server_session(play._replace(limits=WIDE), HeadCache(8, 300))
    events = hear_client(session, [stream], WIDE, slow=False)
    again = [told_by_client(event) for event in events]
    assert [same(each) for each in again] == [same(each) for each in told], stream


def choice_of(connect: Told) -> Version:
    """The version that CONNECT was understood to want."""
    found = connect[5][3]
    assert isinstance(found, Version)
    return found


def same(told: Told) -> Told:
    """Command, headers and body; the length goes with the body."""
    command, headers, body, *_ = told
    return command, without_length(headers), body


def without_length(headers: dict[str, str]) -> dict[str, str]:
    """Headers without what the writer counts itself."""
    return {name: value for name, value in headers.items() if name != "content-length"}


def rewritten(version: Version | None, command: str, headers: dict[str, str], body: bytes) -> bytes | None:
    """The frame anew; ``None`` where its version has no way to write a carriage return that stood in it."""
    if version in (None, Version.V1_0) and any("\r" in name + value for name, value in headers.items()):
        return None
    return encode_frame(version, Frame(command, without_length(headers), body))


# The client's side.


def client_session(play: Play) -> ClientSession:
    """A session that is where the input wants it."""
    session = ClientSession(limits=play.limits)
    session.send_connect(host="/", now=0.0)
    if play.version is not None:
        session.receive_data(connected(play.version), 0.0)
        assert type(session.next_event()) is Connected
        if play.odd:
            session.send_disconnect("bye")
    return session


def hear_server(session: ClientSession, chunks: Iterable[bytes], limits: Limits) -> list[ClientEvent]:
    """All events that the chunks make; memory is held against the limits on the way."""
    found: list[ClientEvent] = []
    for chunk in chunks:
        session.receive_data(chunk, 0.0)
        while (event := session.next_event()) is not None:
            found.append(event)
        assert session.buffered_bytes <= limits.max_frame_bytes
    return found


def told_by_server(event: ClientEvent) -> Told:
    """What there is to say of an event."""
    match event:
        case ServerViolation():
            return "violation", event.code, event.detail
        case Receipt():
            return "RECEIPT", {"receipt-id": event.receipt_id, **event.headers}, b""
        case MessageReceived():
            return "MESSAGE", dict(event.headers), event.body
        case ErrorReceived():
            return "ERROR", dict(event.headers), event.body
        case Connected():
            own = event.version, event.session, event.user_name, event.server, event.heart_beat
            return "CONNECTED", dict(event.headers), b"", own


def client_once(data: bytes, _: HeadCache) -> tuple[int, int]:
    """Plays the stream as it is cut; returns how many frames were taken, and how many refused."""
    play = Play.of(data)
    session = client_session(play)
    chunks = [play.stream] if play.cut % 8 else pieces(play.stream, play.cut + 1)
    found = hear_server(session, chunks, play.limits)
    refused = bool(found) and type(found[-1]) is ServerViolation
    if play.cut & 16 and session.state is State.CLOSING:
        silent(session)
    return len(found) - refused, int(refused)


def client(data: bytes) -> None:
    """All that must hold of the client's side."""
    play = Play.of(data)
    told: list[Told] | None = None
    for chunks in play.splits():
        session = client_session(play)
        events = hear_server(session, chunks, play.limits)
        assert not any(type(event) in (ServerViolation, ErrorReceived) for event in events[:-1])
        if session.state is State.CLOSING:
            assert type(events[-1]) in (ServerViolation, ErrorReceived)
            silent(session)
        new = [told_by_server(event) for event in events]
        assert told is None or new == told, f"in pieces {chunks!r} it is {new}, as a whole {told}"
        told = new
    assert told is not None
    client_again(play, [each for each in told if each[0] != "violation"])


def client_again(play: Play, told: list[Told]) -> None:
    """What was understood is written and read again: it is the same."""
    version = play.version
    stream = b""
    for command, headers, body, *own in told:
        written = rewritten(None if command == "CONNECTED" else version, command, headers, body)
        if written is None:
            return
        stream += written
        if command == "CONNECTED":
            version = own[0][0]
    events = hear_server(client_session(play._replace(limits=WIDE)), [stream], WIDE)
    again = [told_by_server(event) for event in events]
    assert [same(each) for each in again] == [same(each) for each in told], stream
