"""What must hold for any frames and any octets."""

from hypothesis import given
from hypothesis import strategies as st
from wire_support import client, events, frame, server, splits

from stompede.messaging.message import Message
from stompede.wire.stomp import (
    NO_HEART_BEAT,
    Abort,
    Ack,
    Begin,
    ClientEvent,
    Commit,
    Disconnect,
    Frame,
    Head,
    HeadCache,
    Limits,
    MessageReceived,
    MessageTemplate,
    Nack,
    Send,
    ServerEvent,
    ServerSession,
    ServerViolation,
    State,
    Subscribe,
    Unsubscribe,
    Version,
    Violation,
    encode_frame,
    escape,
    message_parts,
)
from stompede.wire.stomp.encode import encode_message
from stompede.wire.stomp.tables import RULES

VERSIONS = st.sampled_from(Version)
SMALL = Limits(max_headers=5, max_header_line_bytes=40, max_header_block_bytes=120, max_body_bytes=50)


def text(version: Version) -> st.SearchStrategy[str]:
    """What a header can hold: anything but NUL, and in 1.0 neither line ends nor blanks at the edges."""
    excluded = "\0\n\r" if version is Version.V1_0 else "\0"
    any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=excluded), max_size=20)
    if version is Version.V1_1:
        # 1.1 has no escape for CR, and its lines end with LF alone.
        return any_text
    return any_text.map(str.strip) if version is Version.V1_0 else any_text


def headers(version: Version) -> st.SearchStrategy[dict[str, str]]:
    names = text(version).filter(lambda name: bool(name) and name not in PROTOCOL)
    if version is Version.V1_0:
        names = names.filter(lambda name: ":" not in name)
    return st.dictionaries(names, text(version), max_size=5)


PROTOCOL = {
    "destination",
    "content-length",
    "content-type",
    "message-id",
    "subscription",
    "ack",
    "id",
    "receipt",
}
BODIES = st.one_of(st.binary(max_size=100), st.text(max_size=50).map(str.encode))

# Octets that look like STOMP, so that more of them come through.
PIECES = st.sampled_from(
    [
        b"SEND", b"SUBSCRIBE", b"CONNECT", b"ACK", b"DISCONNECT", b"MESSAGE", b"\n", b"\n\n", b"\r\n", b"\r\n\r\n",
        b"\0", b":", b"destination:/a", b"id:0", b"receipt:r", b"client-request-code:1", b"content-length:3",
        b"content-length:99", b"abc", b"\\n", b"\\t", b"\xff", b" ",
        b"SEND\ndestination:/a\n\nx\0", b"SEND\ndestination:/a\ncontent-length:3\n\na\0c\0",
    ]
)  # fmt: skip
OCTETS = st.lists(st.one_of(PIECES, st.binary(max_size=4)), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def tiny(version: Version) -> ServerSession:
    """A session whose limits every other frame breaks."""
    limits = Limits(max_headers=2, max_header_line_bytes=20, max_header_block_bytes=30, max_body_bytes=4)
    session = ServerSession(limits=limits, heart_beat=NO_HEART_BEAT, server=None, cache=HeadCache())
    session.receive_data(f"CONNECT\naccept-version:{version.value}\n\n\0".encode(), 0.0)
    session.next_event()
    session.send_connected(session="1", now=0.0)
    return session


def told(found: list[ServerEvent | ClientEvent]) -> list[object]:
    """Events, so that they can be compared: what a head's cache notes is none of theirs."""
    seen: list[object] = []
    for each in found:
        match each:
            case Violation():
                seen.append(each)
            case Send(head=head, body=body):
                seen.append(
                    (type(each), head.headers, head.forwarded, head.receipt, head.client_request_code, body)
                )
            case _:
                head = getattr(each, "head", None)
                seen.append((type(each), head.headers if isinstance(head, Head) else each))
    return seen


@given(version=VERSIONS, octets=OCTETS, cuts=CUTS)
def test_any_split_of_the_octets_is_the_whole(version: Version, octets: bytes, cuts: list[int]):
    assert told(events(server(version), *splits(octets, cuts))) == told(events(server(version), octets))


@given(version=VERSIONS, octets=OCTETS, cuts=CUTS)
def test_any_split_of_the_octets_is_the_whole_also_at_small_limits(
    version: Version, octets: bytes, cuts: list[int]
):
    whole, split = tiny(version), tiny(version)
    assert told(events(split, *splits(octets, cuts))) == told(events(whole, octets))
    assert split.state is whole.state
    assert split.buffered_bytes == whole.buffered_bytes


@given(version=VERSIONS, octets=OCTETS, cuts=CUTS)
def test_any_octets_again_and_again_are_the_same_with_a_cache_as_without(
    version: Version, octets: bytes, cuts: list[int]
):
    cache = HeadCache(4)
    plain = told(events(server(version), octets))
    for _ in range(4):
        assert told(events(server(version, cache=cache), octets)) == plain
    assert told(events(server(version, cache=cache), *splits(octets, cuts))) == plain


@given(octets=OCTETS, cuts=CUTS)
def test_any_split_before_connect_is_the_whole(octets: bytes, cuts: list[int]):
    assert told(events(server(None), *splits(octets, cuts))) == told(events(server(None), octets))


@given(version=VERSIONS, octets=OCTETS, cuts=CUTS)
def test_any_split_of_what_a_client_gets_is_the_whole(version: Version, octets: bytes, cuts: list[int]):
    data = b"MESSAGE\ndestination:/a\nmessage-id:1\nsubscription:0\n\nx\0" + octets.replace(
        b"SEND", b"MESSAGE"
    )
    assert told(events(client(version), *splits(data, cuts))) == told(events(client(version), data))


@given(octets=st.binary(max_size=300), cuts=CUTS)
def test_memory_stays_under_the_limits_whatever_comes(octets: bytes, cuts: list[int]):
    session = server(None, limits=SMALL)
    for chunk in splits(b"CONNECT\n" + octets, cuts):
        session.receive_data(chunk, 0.0)
        while session.next_event() is not None:
            pass
        if session.state is State.CONNECTING:
            session.send_connected(session="1", now=0.0)
        assert session.buffered_bytes <= SMALL.max_frame_bytes + len(chunk)


@given(data=st.data(), version=VERSIONS, body=BODIES, cuts=CUTS)
def test_send_of_a_client_is_read_as_it_was_meant(
    data: st.DataObject, version: Version, body: bytes, cuts: list[int]
):
    destination = "/" + data.draw(text(version))
    said = data.draw(headers(version))
    written = client(version).send_send(destination.strip() or "/", body, said)
    (found,) = events(server(version), *splits(written, cuts))
    assert isinstance(found, Send)
    assert found.destination == (destination.strip() or "/")
    assert found.body == body
    expected = {"destination": found.destination, **said, "content-length": str(len(body))}
    assert found.head.headers == expected


@given(data=st.data(), version=VERSIONS, body=BODIES, cuts=CUTS)
def test_message_of_a_server_is_read_as_it_was_meant(
    data: st.DataObject, version: Version, body: bytes, cuts: list[int]
):
    subscription = data.draw(text(version))
    said = data.draw(headers(version))
    before, after = message_parts(version, "m:1", Message("/a:b", body, "text/plain", said))
    written = before + escape(version, subscription).encode() + after
    (found,) = events(client(version), *splits(written, cuts))
    assert isinstance(found, MessageReceived)
    assert found.body == body
    own = {
        "subscription": subscription,
        "message-id": "m:1",
        "destination": "/a:b",
        "content-type": "text/plain",
        "content-length": str(len(body)),
    }
    assert found.headers == own | said


@given(
    data=st.data(),
    version=VERSIONS,
    body=BODIES,
    kind=st.none() | st.just("text/plain;a:b"),
    named=st.booleans(),
)
def test_template_writes_what_the_slow_way_writes(
    data: st.DataObject, version: Version, body: bytes, kind: str | None, named: bool
):
    subscription = data.draw(text(version)) if named else None
    message = Message("/a:b\\c", body, kind, data.draw(headers(version)))
    template = MessageTemplate(version, subscription, message.destination)
    assert template.encode("m-1", message) == encode_message(version, "m-1", message, subscription, None)
    acked = template.encode("m-1", message, "a-1")
    assert acked == encode_message(version, "m-1", message, subscription, "a-1")


@given(data=st.data(), version=VERSIONS, body=BODIES)
def test_encode_then_decode_is_the_same_frame(data: st.DataObject, version: Version, body: bytes):
    said = data.draw(headers(version))
    head, read = frame(encode_frame(version, Frame("ERROR", said, body)), version)
    assert {name: value for name, value in head.headers.items() if name != "content-length"} == said
    assert read == body


@given(data=st.data(), version=VERSIONS, body=BODIES)
def test_decode_then_encode_then_decode_is_the_same_event(data: st.DataObject, version: Version, body: bytes):
    said = data.draw(headers(version))
    first = events(server(version), encode_frame(version, Frame("SEND", {"destination": "/a", **said}, body)))
    (sent,) = first
    assert isinstance(sent, Send)
    again = events(server(version), encode_frame(version, Frame("SEND", sent.head.headers, sent.body)))
    assert told(again) == told(first)


SERVER_EVENTS = (Send, Subscribe, Unsubscribe, Ack, Nack, Begin, Commit, Abort, Disconnect, Violation)


@given(version=VERSIONS, octets=OCTETS)
def test_an_error_frame_can_always_be_read(version: Version, octets: bytes):
    for found in events(server(version), octets):
        assert isinstance(found, SERVER_EVENTS)
        if isinstance(found, Violation):
            head, body = frame(found.error, version)
            assert head.command == "ERROR"
            assert head.headers["content-type"] == "text/plain"
            assert body.decode() == found.detail
            assert found.code in ("limit", "malformed", "header", "command", "version")


@given(command=st.sampled_from(sorted(RULES)), version=VERSIONS, data=st.data())
def test_any_command_with_any_headers_is_an_event_of_its_own_or_a_violation(
    command: str, version: Version, data: st.DataObject
):
    said = data.draw(headers(version)) | {
        name: data.draw(text(version))
        for name in data.draw(st.sets(st.sampled_from(sorted(PROTOCOL - {"content-length"}))))
    }
    written = encode_frame(version, Frame(command, said))
    for session in (server(version), client(version)):
        found = events(session, written)
        assert len(found) <= 1
        if found and not isinstance(found[0], Violation | ServerViolation):
            assert type(found[0]).__name__.upper().startswith(command[:3])


LINES = st.lists(
    st.sampled_from(
        [
            "receipt:1", "receipt:a\\cb", "receipt:", "receipt:\\t", "receipt:a\r", "client-request-code:17",
            "client-request-code:b\\\\", "content-length:3", "content-length:1", "content-length:03",
            "content-length:9", "content-length:x", "Authorization:Bearer a", "Authorization:Bearer b",
            "k:v", "k:v\r", "k",
        ]
    ),
    max_size=5,
)  # fmt: skip
SENDS = st.lists(st.tuples(LINES, st.sampled_from(["xxx", "x", "xx\0"])), max_size=12)


@given(version=VERSIONS, sends=SENDS, cuts=CUTS)
def test_what_a_session_remembers_changes_nothing(
    version: Version, sends: list[tuple[list[str], str]], cuts: list[int]
):
    frames = ["\n".join(["SEND", "destination:/a", *lines]) + f"\n\n{body}\0" for lines, body in sends]
    alone: list[object] = []
    for one in frames:
        found = told(events(server(version), one.encode()))
        alone += found
        if not found or isinstance(
            found[-1], Violation
        ):  # it waits for octets, which the next frame would give
            break
    session, again = server(version), server(version)
    assert told(events(session, *(one.encode() for one in frames)))[: len(alone)] == alone
    data = "".join(frames).encode()
    assert told(events(again, *splits(data, cuts))) == told(events(server(version), data))
