"""Random and mutated octets against both sides: nothing but events comes out, and no memory stays.

The short run is a few seconds of a fixed seed. The long one (``make proof``, or ``-m proof``) takes a seed of its
own and says which one failed; ``STOMPEDE_FUZZ_S`` is how long it goes on.
"""

import gc
import os
import random
import time
import tracemalloc
from collections.abc import Callable

import pytest
from wire_support import client, server

from stompede.wire.stomp import (
    ClientSession,
    Connect,
    HeadCache,
    Limits,
    ServerSession,
    State,
    Version,
    Violation,
)
from stompede.wire.websocket import MessageAssembler, WebSocketViolation

LIMITS = Limits(max_headers=16, max_header_line_bytes=512, max_header_block_bytes=1024, max_body_bytes=2048)

CORPUS = [
    b"CONNECT\naccept-version:1.0,1.1,1.2\nhost:/\nheart-beat:10000,10000\nlogin:a\npasscode:b\n\n\0",
    b"STOMP\r\naccept-version:1.2\r\nhost:/\r\n\r\n\0\r\n",
    b"SEND\ndestination:/topic/a\n\nhello\0",
    b'SEND\ndestination:/topic/a\ncontent-type:application/json\ncontent-length:15\nreceipt:r-1\n\n{"a": "b\\u00e9"}\0',
    b"SEND\r\ndestination:/app/rooms/1/say\r\nclient-request-code:17\r\nreceipt:r\r\n\r\n{}\0",
    b"SEND\ndestination:/app/a\nclient-request-code:17\nreceipt:18\nAuthorization:Bearer a.b.c\n\n{}\0",
    b"SEND\ndestination:/queue/a\ncontent-length:8\nk:a\\cb\\nc\\\\d\\re\n\na\0b\0\0cde\0",
    "SEND\ndestination:/queue/a\nkꙕ:vꙕ\n\n🙂你\0".encode(),
    b"SUBSCRIBE\nid:0\ndestination:/topic/a\nack:client-individual\nreceipt:s\n\n\0",
    b"UNSUBSCRIBE\nid:0\n\n\0",
    b"ACK\nid:1\nmessage-id:1\nsubscription:0\ntransaction:t\n\n\0",
    b"NACK\nid:1\nmessage-id:1\nsubscription:0\n\n\0",
    b"BEGIN\ntransaction:t\n\n\0",
    b"COMMIT\ntransaction:t\n\n\0",
    b"ABORT\ntransaction:t\n\n\0",
    b"DISCONNECT\nreceipt:bye\n\n\0",
    b"CONNECTED\nversion:1.2\nheart-beat:1,2\n\n\0",
    b"MESSAGE\nsubscription:0\nmessage-id:1\ndestination:/topic/a\ncontent-length:2\n\nhi\0",
    b"RECEIPT\nreceipt-id:1\n\n\0",
    b"ERROR\nmessage:x\n\nmore\0",
    b"\n",
    b"\r\n",
]
BITS = [
    b"\0",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b":",
    b"\\",
    b"\\n",
    b"\\x",
    b"\xff",
    b" ",
    b"-1",
    b"9" * 20,
    b"content-length:",
    b"a" * 600,
]


def mutated(rng: random.Random) -> bytes:
    """A few frames, damaged here and there."""
    data = bytearray(b"".join(rng.choices(CORPUS, k=rng.randint(1, 4))))
    for _ in range(rng.choice((0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(6):
            case 0:
                data[at : at + 1] = rng.randbytes(1)
            case 1:
                data[at:at] = rng.choice(BITS)
            case 2:
                del data[at : at + rng.randint(1, 20)]
            case 3:
                data[at:at] = data[at : at + rng.randint(1, 40)] * rng.randint(1, 60)
            case 4:
                other = rng.choice(CORPUS)
                data[at:] = other[rng.randrange(len(other)) :]
            case 5:
                data[at:at] = rng.randbytes(rng.randint(1, 30))
    return bytes(data)


def chunks(rng: random.Random, data: bytes) -> list[bytes]:
    """The octets, cut at random."""
    size = rng.choice((1, 3, 16, 100, 1 << 20))
    return [data[at : at + size] for at in range(0, len(data), size)]


def feed(session: ServerSession | ClientSession, chunk: bytes) -> None:
    session.receive_data(chunk, 0.0)
    while (event := session.next_event()) is not None:
        if isinstance(event, Connect) and isinstance(session, ServerSession):
            assert session.send_connected(session="1", now=0.0).startswith(b"CONNECTED\n")
        elif isinstance(event, Violation):
            assert event.error.startswith(b"ERROR\nmessage:")
            assert event.error.endswith(b"\0")
            assert session.state is State.CLOSING
    # Of frames that wait for their turn there are none here; of one that is not finished there is as much as may be.
    assert session.buffered_bytes <= LIMITS.max_frame_bytes + len(chunk)


def play_stomp(rng: random.Random, cache: HeadCache) -> None:
    """One connection of each side gets the same octets."""
    version = rng.choice((None, *Version))
    sides = [server(version, limits=LIMITS, cache=cache), client(version or Version.V1_2, limits=LIMITS)]
    for _ in range(rng.randint(1, 5)):
        data = mutated(rng) if rng.random() < 0.9 else rng.randbytes(rng.randint(1, 500))
        for chunk in chunks(rng, data):
            for session in sides:
                feed(session, chunk)


def play_websocket(rng: random.Random) -> None:
    """One connection gets frames of any kind."""
    assembler = MessageAssembler(1000)
    try:
        for _ in range(rng.randint(1, 30)):
            payload = rng.choice((b"", b"hello", "κόσμε".encode(), rng.randbytes(rng.randint(0, 400))))
            opcode = rng.choice((0, 0, 1, 2, 8, 9, 10, rng.randrange(16)))
            found = assembler.frame(opcode, payload, rng.random() < 0.5, rng.random() < 0.02)
            assert assembler.buffered_bytes <= 1000
            if found is not None and found.text:
                found.data.decode()
    except WebSocketViolation as violation:
        assert violation.code in (1002, 1007, 1009)  # noqa: PT017 - most of them end so


def play(seed: int, until: Callable[[int], bool]) -> int:
    """Plays connections until told to stop; returns how many."""
    cache = HeadCache(256)
    number = 0
    while not until(number):
        rng = random.Random(f"{seed}-{number}")
        try:
            play_stomp(rng, cache)
            play_websocket(rng)
        except BaseException as error:
            error.add_note(f"seed {seed}, connection {number}")
            raise
        number += 1
    assert cache.statistics().entries <= 256
    return number


def test_mutated_frames_never_make_the_wire_raise():
    assert play(2026, lambda number: number >= 3000) == 3000


def test_memory_is_flat_under_mutated_frames():
    cache = HeadCache(8, 300)  # full at once

    def burst(start: int) -> int:
        for number in range(start, start + 150):
            play_stomp(random.Random(number), cache)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        first = burst(0)
        last = min(burst(150), burst(300), burst(450))
    finally:
        tracemalloc.stop()
    assert last - first < 10_000


@pytest.mark.proof
@pytest.mark.timeout(0)
def test_mutated_frames_never_make_the_wire_raise_for_long():
    seed = random.SystemRandom().randrange(1 << 32)
    end = time.monotonic() + float(os.environ.get("STOMPEDE_FUZZ_S", "300"))
    assert play(seed, lambda _: time.monotonic() > end) > 0
