"""What the tests of the wire share: connected sessions, and frames as bytes."""

from collections.abc import Iterable, Iterator

from stompede.wire.stomp import (
    NO_HEART_BEAT,
    ClientEvent,
    ClientSession,
    Connect,
    Head,
    HeadCache,
    HeartBeat,
    Limits,
    ServerEvent,
    ServerSession,
    Version,
    Violation,
)
from stompede.wire.stomp.parser import FrameDecoder
from stompede.wire.stomp.tables import Side

LIMITS = Limits()
TEN_SECONDS = HeartBeat(10_000, 10_000)


def server(
    version: Version | None = Version.V1_2,
    *,
    limits: Limits = LIMITS,
    cache: HeadCache | None = None,
    heart_beat: HeartBeat = TEN_SECONDS,
    client: HeartBeat = NO_HEART_BEAT,
    now: float = 0.0,
) -> ServerSession:
    """A server's session, connected by a version; before CONNECT where that is ``None``."""
    session = ServerSession(
        limits=limits, heart_beat=heart_beat, server="test/1", cache=HeadCache() if cache is None else cache
    )
    if version is not None:
        offer = "" if version is Version.V1_0 else f"accept-version:{version.value}\n"
        session.receive_data(f"CONNECT\n{offer}host:/\nheart-beat:{client}\n\n\0".encode(), now)
        assert isinstance(session.next_event(), Connect)
        session.send_connected(session="s-1", now=now)
        assert session.version is version
    return session


def client(version: Version = Version.V1_2, *, limits: Limits = LIMITS) -> ClientSession:
    """A client's session, connected by a version."""
    session = ClientSession(limits=limits)
    session.send_connect(host="/", now=0.0)
    named = "" if version is Version.V1_0 else f"version:{version.value}\n"
    session.receive_data(f"CONNECTED\n{named}session:s-1\n\n\0".encode(), 0.0)
    assert session.next_event() is not None
    assert session.version is version
    return session


def events(session: ServerSession | ClientSession, *chunks: bytes) -> list[ServerEvent | ClientEvent]:
    """Feeds chunks and gathers all events."""
    found: list[ServerEvent | ClientEvent] = []
    for chunk in chunks:
        session.receive_data(chunk, 0.0)
        while (event := session.next_event()) is not None:
            found.append(event)
    return found


def event(session: ServerSession | ClientSession, *chunks: bytes) -> ServerEvent | ClientEvent:
    """The one event that the chunks make."""
    (one,) = events(session, *chunks)
    return one


def violation(session: ServerSession, *chunks: bytes) -> Violation:
    """The violation that the chunks end in."""
    last = events(session, *chunks)[-1]
    assert isinstance(last, Violation), last
    return last


def frame(data: bytes, version: Version | None = Version.V1_2) -> tuple[Head, bytes]:
    """Reads one frame that a server has written, by a decoder that allows every command of a server."""
    session = ClientSession()
    session.send_connect(host="/", now=0.0)
    if version is not None:
        session.receive_data(f"CONNECTED\nversion:{version.value}\n\n\0".encode(), 0.0)
        session.next_event()
    session.receive_data(data, 0.0)
    found = FrameDecoder.next_frame(session)
    assert found is not None
    assert session.buffered_bytes == 0
    return found


def splits(data: bytes, at: Iterable[int]) -> Iterator[bytes]:
    """Cuts bytes at offsets."""
    last = 0
    for cut in sorted({min(each, len(data)) for each in at}):
        yield data[last:cut]
        last = cut
    yield data[last:]


def decoder(side: Side = Side.SERVER, limits: Limits = LIMITS) -> FrameDecoder:
    """A bare decoder."""
    return FrameDecoder(side, limits)


def connect(headers: str, *, versions: tuple[Version, ...] = tuple(Version)) -> tuple[ServerSession, Connect]:
    """A session that has got CONNECT with such headers, and what it made of it."""
    session = ServerSession(
        limits=Limits(),
        heart_beat=HeartBeat(5000, 6000),
        server="test/1",
        cache=HeadCache(),
        versions=versions,
    )
    found = event(session, f"CONNECT\n{headers}\n\0".encode())
    assert isinstance(found, Connect), found
    return session, found
