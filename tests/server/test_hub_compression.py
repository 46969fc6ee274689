"""Cohorts whose frames are compressed: what clients read is what they would have read."""

import zlib

import pytest
from hub_house import House, Reader, house, single

from stompede.messaging.message import Message
from stompede.transports import deflate as deflating
from stompede.transports.asgi import split_frames
from stompede.transports.deflate import DeflateFraming
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version
from stompede.wire.websocket import deflate
from stompsocket import Parser

__all__ = ["house"]

DEFLATE = DeflateFraming(min_bytes=100, level=1, window_bits=15)
RSV1 = 0x40
BODIES = (b"", b"short", b"y" * 200, "grüß ".encode() * 100, b"\xff\x00" * 300, b"z" * 70_000)
SIDS = ("0", "1", "sub-17", "ü", "a:b\\c", "x" * 300, None)


def unpacked(written: bytes) -> list[tuple[bool, bool, bytes]]:
    """Whether each frame is text, whether it is compressed, and its payload as a client reads it."""
    frames = []
    position = 0
    for _, payload in split_frames(written):
        first = written[position]
        position = written.index(payload, position + 2) + len(payload)
        if first & RSV1:
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        frames.append((first & 0x0F == 1, bool(first & RSV1), payload))
    return frames


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("members", [1, 2])
def test_the_payloads_of_a_compressed_cohort_are_those_of_frames_encoded_one_by_one(
    version: Version, members: int
) -> None:
    house = House()
    readers: dict[str | None, list[Reader]] = {}
    for sid in SIDS:
        if sid is None and version is not Version.V1_0:
            continue
        readers[sid] = [Reader(house) for _ in range(members)]
        for reader in readers[sid]:
            reader.joins("/topic/a", sid, version, DEFLATE)
    messages = [
        Message("/topic/a", body, content_type) for body in BODIES for content_type in (None, "text/plain")
    ]
    for message in messages:
        house.hub.publish(message)
    house.loop.turn()
    for sid, of_id in readers.items():
        wanted = [
            single(WEBSOCKET, version, sid, f"boot-{number}", message)
            for number, message in enumerate(messages, 1)
        ]
        frames = unpacked(b"".join(of_id[0].writes))
        assert [(text, payload) for text, _, payload in frames] == [
            next(iter(split_frames(one))) for one in wanted
        ]
        assert all(
            packed
            for (_, packed, _), message in zip(frames, messages, strict=True)
            if len(message.body) >= 200
        )
        assert len({id(reader.writes[0]) for reader in of_id}) == 1


def test_what_is_short_or_does_not_shrink_is_sent_as_it_is(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a", framing=DeflateFraming(min_bytes=500, level=1, window_bits=9))
    noise = bytes((number * 167 + number // 7 * 59) % 251 for number in range(20))
    house.publish(b"x" * 300, b"x" * 600, noise)
    house.loop.turn()
    assert [packed for _, packed, _ in unpacked(reader.writes[0])] == [False, True, False]


def test_a_message_is_compressed_once_whatever_the_ids_and_also_for_wildcards_and_blocked_sockets(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counting(data: bytes, level: int, window_bits: int) -> bytes:
        made.append(data)
        return deflate(data, level, window_bits)

    monkeypatch.setattr(deflating, "deflate", counting)
    framing = DeflateFraming(min_bytes=100, level=1, window_bits=15)
    readers = {f"sub-{2**number}": Reader(house) for number in range(20)}
    for number, (sid, reader) in enumerate(readers.items()):
        reader.joins("/topic/a" if number % 2 else "/topic/*", sid, framing=framing)
        if number % 3 == 0:
            reader.outbox.block(0.0)
    house.publish("x" * 1000, "y" * 1000)
    house.loop.turn()
    assert len(made) == 2
    for sid, reader in readers.items():
        reader.outbox.drain()
        written = b"".join(reader.writes)
        frames = Parser().feed(b"".join(payload for _, _, payload in unpacked(written)))
        assert [frame.headers["subscription"] for frame in frames] == [sid] * 2
        assert len(written) < 300


def test_what_is_kept_of_compressed_messages_is_bounded() -> None:
    framing = DeflateFraming(min_bytes=100, level=1, window_bits=15)
    for number in range(1000):
        framing.around(b"MESSAGE\n", 1, f"{number}".encode() + b"x" * 2000, True)
    framing.around(b"MESSAGE\n", 1, b"x" * 1_000_000, True)
    assert sum(len(data) for data in framing._recent) <= 256 * 1024


def test_a_blocked_socket_gets_compressed_frames_later(house: House) -> None:
    reader = Reader(house)
    reader.joins("/topic/a", framing=DEFLATE)
    reader.outbox.block(0.0)
    house.publish("x" * 1000, "short")
    house.loop.turn()
    assert reader.outbox.queued_bytes < 300
    reader.outbox.drain()
    (first, _, _), (second, _, _) = unpacked(b"".join(reader.writes))
    assert first
    assert second


def test_compressed_and_plain_subscribers_of_one_topic_read_the_same(house: House) -> None:
    plain, packed = Reader(house), Reader(house)
    plain.joins("/topic/a")
    packed.joins("/topic/a", framing=DEFLATE)
    house.publish("x" * 1000)
    house.loop.turn()
    ((_, compressed, payload),) = unpacked(packed.writes[0])
    assert compressed
    assert payload == next(iter(split_frames(plain.writes[0])))[1]
    assert len(packed.writes[0]) < 300
