"""Frames that are random, and frames that were right before something was changed in them."""

from __future__ import annotations

import random
import struct

from stompsocket import encode

COMMANDS = (
    "CONNECT", "STOMP", "SEND", "SUBSCRIBE", "UNSUBSCRIBE", "ACK", "NACK", "BEGIN", "COMMIT", "ABORT", "DISCONNECT",
    "MESSAGE", "RECEIPT", "ERROR", "CONNECTED", "send", "", "X" * 300,
)  # fmt: skip
NAMES = (
    "destination", "id", "receipt", "ack", "content-length", "content-type", "transaction", "authorization", "login",
    "passcode", "heart-beat", "accept-version", "host", "subscription", "message-id", "client-request-code", "x", "",
    "a:b", "ä",
)  # fmt: skip
VALUES = (
    "/topic/fuzz", "/app/echo", "/app/slow", "/app/fail", "/app/rooms/{x}/say", "/app/rooms/7/say", "/queue/x",
    "/session/queue/replies", "/session/queue/request-error", "/user/queue/x", "/topic/*", "/topic/\0",
    "0", "1", "-1", "3", "99999999999", "1,1", "0,0", "x,y", "1.2", "1.0,1.1", "9", "client", "auto",
    "client-individual", "Bearer x.y.z", "", "\n\r:\\", "ä" * 50, "x" * 3000, "{}", '{"text": "x"}',
)  # fmt: skip
BODIES = (b"", b"x", b'{"text": "soup"}', b"[1, 2", b"\0\0", b"\xff\xfe", b"x" * 5000, "ä€🙂".encode())


def stomp_frame(chance: random.Random) -> bytes:
    """A STOMP frame, most often nearly right."""
    if chance.random() < 0.95:
        command, headers = chance.choice(
            (
                ("SEND", {"destination": chance.choice(VALUES)}),
                ("SUBSCRIBE", {"id": chance.randrange(20), "destination": chance.choice(VALUES)}),
                ("UNSUBSCRIBE", {"id": chance.randrange(20)}),
                ("SEND", {"destination": chance.choice(VALUES), "receipt": chance.choice(VALUES)}),
            )
        )
    else:
        command, headers = chance.choice(COMMANDS), {}
    for _ in range(chance.choice((0, 0, 0, 0, 1, 2, 5, 80)) if chance.random() < 0.3 else 0):
        headers.setdefault(chance.choice(NAMES), chance.choice(VALUES))
    body = chance.choice(BODIES) if command == "SEND" or chance.random() < 0.01 else b""
    if body:
        headers.setdefault("content-length", len(body))
    frame = encode(command, headers, body)
    return mutated(frame, chance) if chance.random() < 0.05 else frame


def mutated(data: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, lost, doubled or moved."""
    out = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        if not out:
            break
        at = chance.randrange(len(out))
        match chance.randrange(6):
            case 0:
                out[at] = chance.randrange(256)
            case 1:
                del out[at : at + chance.randrange(1, 20)]
            case 2:
                out[at:at] = chance.randbytes(chance.randrange(1, 20))
            case 3:
                out[at:at] = out[at : at + 50]
            case 4:
                out[at] = chance.choice(b"\n\r\0:\\")
            case 5:
                del out[at:]
    return bytes(out)


def is_text(payload: bytes) -> bool:
    """Whether a payload may go as text."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def websocket_frame(payload: bytes, chance: random.Random) -> bytes:
    """A WebSocket frame of a client, most often right."""
    opcode = chance.choice((1, 2, 2)) if is_text(payload) else 2
    if chance.random() < 0.03:
        opcode = chance.choice((0, 0, 1, 8, 9, 9, 10, chance.randrange(16)))
    first = (0x80 if chance.random() < 0.99 else 0) | opcode
    if chance.random() < 0.005:
        first |= chance.randrange(8) << 4
    masked = chance.random() > 0.005
    size = len(payload) if chance.random() > 0.005 else chance.choice((0, 10**6, 1 << 50, (1 << 64) - 1))
    if size < 126:
        length = bytes([size])
    elif size < 65536:
        length = b"\x7e" + struct.pack("!H", size)
    else:
        length = b"\x7f" + struct.pack("!Q", size)
    head = bytes([first, length[0] | (0x80 if masked else 0)]) + length[1:]
    if not masked:
        return head + payload
    key = chance.randbytes(4)
    pad = (key * (len(payload) // 4 + 1))[: len(payload)]
    return head + key + (int.from_bytes(payload) ^ int.from_bytes(pad)).to_bytes(len(payload))


def stream(chance: random.Random, frames: int) -> list[bytes]:
    """What one bad client writes, cut into packets anywhere."""
    data = b""
    if chance.random() < 0.85:
        connect = encode("CONNECT", {"accept-version": chance.choice(("1.0", "1.1", "1.2")), "host": "x"})
        data += websocket_frame(connect, random.Random(3))
    for _ in range(frames):
        payload = b"".join(stomp_frame(chance) for _ in range(chance.choice((1, 1, 1, 2, 10))))
        frame = websocket_frame(payload, chance)
        data += mutated(frame, chance) if chance.random() < 0.01 else frame
    if chance.random() < 0.1:
        data += chance.randbytes(chance.randrange(1, 3000))
    packets = []
    while data:
        size = chance.choice((1, 7, 100, 1500, 60_000))
        packets.append(data[:size])
        data = data[size:]
    return packets


def handshake(chance: random.Random) -> bytes:
    """A request that is no proper handshake, or one with strange headers."""
    head = bytearray(
        b"GET /stomp HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: v12.stomp\r\nOrigin: http://x\r\n\r\n"
    )
    return mutated(bytes(head), chance)
