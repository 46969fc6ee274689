"""Cohorts whose frames are compressed: what clients read is what they would have read."""

import zlib

import pytest
from hub_house import House, Reader, house, single

from stompede.messaging.message import Message
from stompede.transports.asgi import split_frames
from stompede.transports.deflate import DeflateFraming
from stompede.transports.websocket import WEBSOCKET
from stompede.wire.stomp import Version
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


def test_ids_of_one_length_share_one_compression(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    around = DEFLATE.around
    counting = DeflateFraming(min_bytes=100, level=1, window_bits=15)
    monkeypatch.setattr(
        DeflateFraming, "around", lambda self, *given: (made.append(given), around(*given))[1]
    )
    readers = [Reader(house) for _ in range(20)]
    for number, reader in enumerate(readers):
        reader.joins("/topic/a", f"sub-{number % 10}", framing=counting)
    house.publish("x" * 1000, "y" * 1000)
    house.loop.turn()
    assert len(made) == 2
    for number, reader in enumerate(readers):
        (written,) = reader.writes
        frames = Parser().feed(b"".join(payload for _, _, payload in unpacked(written)))
        assert [frame.headers["subscription"] for frame in frames] == [f"sub-{number % 10}"] * 2
        assert len(written) < 300


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
