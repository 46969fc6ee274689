"""What an idle session costs, measured in a node's own process."""

import asyncio
import json
import resource
from collections.abc import Callable
from typing import Any

import psutil

from sockjsclient import Exchange, fetch, session_url, stream

BOUND_BYTES = 28 * 1024  # measured: 21 KiB, of which uvicorn's connection and request are the most
WARM, MEASURED = 200, 1000
CONNECT = json.dumps(["CONNECT\naccept-version:1.2\nhost:x\nheart-beat:0,0\n\n\0"])


async def connected(base: str) -> Exchange:
    """A streaming session that got CONNECTED and has nothing to do."""
    url = session_url(base)
    response = await stream(url + "/xhr_streaming")
    await response.chunk()
    assert await response.chunk() == b"o\n"
    assert (await fetch(url + "/xhr_send", "POST", CONNECT)).status == 204
    assert b"CONNECTED" in await response.chunk()
    return response


async def test_the_memory_of_an_idle_streaming_session_is_bounded(serve_node: Callable[..., Any]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    node = serve_node("stompede.testing.conformance:app")
    process = psutil.Process(node.process.pid)
    open_streams = []
    try:
        for _ in range(WARM // 50):
            open_streams += await asyncio.gather(*(connected(node.url + "/stomp") for _ in range(50)))
        before = process.memory_info().rss
        for _ in range(MEASURED // 50):
            open_streams += await asyncio.gather(*(connected(node.url + "/stomp") for _ in range(50)))
        each = (process.memory_info().rss - before) / MEASURED
    finally:
        for response in open_streams:
            response.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert each < BOUND_BYTES, f"{each / 1024:.1f} KiB a session"
