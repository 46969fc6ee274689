"""What the baselines share: a picows server on aiofastnet's transports, as much STOMP as the load needs."""

from __future__ import annotations

import argparse
import asyncio
import gc
from collections.abc import Callable

from aiofastnet.api_patch import patch_loop
from picows import WSListener, WSUpgradeRequest, ws_create_server

CONNECTED = b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0"


def text_header(length: int) -> bytes:
    """The WebSocket header of an unmasked text message."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65536:
        return b"\x81\x7e" + length.to_bytes(2, "big")
    return b"\x81\x7f" + length.to_bytes(8, "big")


def framed(payload: bytes) -> bytes:
    """A whole WebSocket text message."""
    return text_header(len(payload)) + payload


def header_of(frame: bytes, name: bytes) -> bytes:
    """One header of a STOMP frame that has it."""
    start = frame.index(b"\n" + name + b":") + len(name) + 2
    return frame[start : frame.index(b"\n", start)]


def receipt(frame: bytes) -> bytes:
    """The RECEIPT that a frame asks for."""
    return b"RECEIPT\nreceipt-id:" + header_of(frame, b"receipt") + b"\n\n\0"


def body_of(frame: bytes) -> bytes:
    """What stands between the empty line and the NUL."""
    return frame[frame.index(b"\n\n") + 2 : -1]


async def _serve(port: int, listener: Callable[[WSUpgradeRequest], WSListener]) -> None:
    patch_loop()
    server = await ws_create_server(listener, "127.0.0.1", port, backlog=2048)
    gc.collect()
    gc.freeze()
    async with server:
        await server.serve_forever()


def main(listener: Callable[[WSUpgradeRequest], WSListener]) -> None:
    """Serves ``listener`` at ``--port`` until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    asyncio.run(_serve(parser.parse_args().port, listener))
