"""Inputs to begin with, by target: the conformance vectors as streams, and a word of each other format."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from targets import ROOT

VECTORS = ROOT / "tests" / "conformance" / "stomp_vectors.json"
HOW = {"1.0": b"1", "1.1": b"2", "1.2": b"3"}
WORDS = {
    b"{D}": b"d",
    b"{LOGIN}": b"guest",
    b"{PASS}": b"guest",
    b"{ACK}": b"a-1",
    b"{MSGID}": b"m-1",
    b"{RECONNECT}": b"",
}
MAX_REPEATS = 300

SERIES = (
    *(b"SEND\ndestination:/a\nreceipt:%d\ncontent-length:%d\n\n%b\0\n" % (i, i, b"x" * i) for i in range(3)),
    *(b"SEND\ndestination:/b\nclient-request-code:%d\nk:v\n\nx\0" % i for i in range(3)),
    *(b"SEND\nreceipt:%b\ndestination:/a\ncontent-length:1\n\nx\0" % i for i in (b"1", b"\\c", b"2", b"\\t")),
)
SERVER_FRAMES = (
    b"CONNECTED\nversion:1.2\nheart-beat:1,2\nuser-name:cook\nserver:x/1\nsession:s\n\n\0",
    b"MESSAGE\nsubscription:0\nmessage-id:1\nack:1\ndestination:/topic/a\ncontent-length:2\n\na\0\0\n",
    b"MESSAGE\r\nsubscription:0\r\nmessage-id:1\r\ndestination:/topic/a\r\nk:a\\cb\\nc\\\\\r\n\r\nhi\0",
    b"RECEIPT\nreceipt-id:1\nrecovered:true\n\n\0",
    b"ERROR\nmessage:x\n\nmore\0",
)
ENCODED = (
    b"2/topic/a\xff1\xff0\xfftext/plain\xffk\xffv\xffhi",
    "0/topic/ä:\\\xff".encode("latin-1") + b"k1-1\xffs:1\xff\xffa:b\xffc\nd\xffe\\\xfff\r\xff\0\xff",
    b"1/a\xffm\xff\xff\xffdestination\xff/b\xff\xff\0",
)
WS_FRAMES = (
    b"0\x81\x02hi\x89\x00\x82\x01\xff",
    b"0\x01\x02\xce\xba\x89\x01p\x00\x01\xcf\x80\x01\x85\x88\x02\x03\xe8",
    b"0\x88\x0a\x0f\xa0bye \xe2\x82\xac\x81",
    b"0\x81\x7e\x00\x80" + b"a" * 128,
    b"2\x82\x7f" + (200).to_bytes(8, "big") + b"b" * 200,
)
BODIES = (
    b'0["a","b\\n"]', b'0"one"', b"0[]", b"0[1]", b'0["\\ud83d\\ude42","\\ud800x","\xc3\xa4"]', b'0["', b"0",
    b"1d=%5B%22a%22%5D&x=1", b'1d="a"', b"1d=%FF", b"2/000/abc/xhr_streaming", b"2/iframe-0.3.html", b"2/info",
    b"2cb.a", b"2/websocket", b"3a\x1eb</script>\x1e\xe2\x80\xa8\xef\xbf\xbf\n\"\\",
)  # fmt: skip
OFFERS = (
    b"\x01\x00\x03permessage-deflate; client_max_window_bits\xff" + b"hello " * 9,
    b'\x08\x06\x00foo, permessage-deflate;server_max_window_bits="10"; server_no_context_takeover\xff\0\1\2',
)


def filled(text: str) -> bytes:
    """A vector's input as octets."""
    data = text.encode("latin-1").decode("unicode_escape").encode("latin-1")
    for word, value in WORDS.items():
        data = data.replace(word, value)
    return re.sub(rb"\{REP:(.):(\d+)\}", lambda found: found[1] * min(int(found[2]), MAX_REPEATS), data)


def vectors() -> Iterator[bytes]:
    """What the clients of the conformance vectors write."""
    found: list[dict[str, Any]] = json.loads(VECTORS.read_text())
    for vector in found:
        parts = vector["input"] if isinstance(vector["input"], list) else [vector["input"]]
        how = HOW[vector["version"]] if vector["preamble"] == "connect" else b"0"
        yield how + b"0" + b"".join(map(filled, parts))


def compressed(message: bytes) -> bytes:
    """A compressed text message in two frames."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (packer.compress(message) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    half = len(packed) // 2
    first, second = packed[:half], packed[half:]
    return b"1\x41" + bytes([len(first)]) + first + b"\x80" + bytes([len(second)]) + second


def seeds() -> dict[str, list[bytes]]:
    """All seeds by target."""
    return {
        "stomp-server": [
            *vectors(),
            b"30" + b"".join(SERIES),
            b"31" + b"".join(SERIES),
            b"31" + SERIES[0] * 5,
        ],
        "stomp-client": [
            how + b"0" + frame for frame in SERVER_FRAMES for how in (b"0", b"1", b"2", b"3", b";")
        ],
        "stomp-encode": list(ENCODED),
        "websocket": [*WS_FRAMES, compressed(b"hello, hello"), compressed(b"a" * 5000)],
        "deflate": list(OFFERS),
        "sockjs": list(BODIES),
    }


def write(target: str, folder: Path) -> Path:
    """Writes the seeds of a target into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()[target]):
        (folder / f"seed-{number}").write_bytes(seed)
    return folder
