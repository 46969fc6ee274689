"""SIGTERM to a node with a handler that takes no notice of its cancellation."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stompsocket import StompSocket

APPLICATION = """
import asyncio
from stompede import Stompede

app = Stompede()

@app.message("/retry")
async def retry(body: str) -> None:
    await app.publish("/topic/begun", body)
    while True:
        try:
            await asyncio.Event().wait()
        except BaseException:
            pass
"""


EXITING = """
import asyncio
import sys
from stompede import Stompede

app = Stompede()
tasks = []

async def leave() -> None:
    sys.exit(3)

@app.message("/leave")
async def handle(body: str) -> None:
    tasks.append(asyncio.create_task(leave()))
"""


async def test_a_task_of_the_application_that_exits_is_said_and_not_taken_for_a_start_that_failed(
    serve_node: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "exiting.py").write_text(EXITING)
    node = serve_node("exiting:app")
    client = await StompSocket.open(node.stomp_url)
    await client.connect()
    await client.send("SEND", {"destination": "/app/leave"}, "x")
    assert node.process.wait(30) == 3
    said = node.said()
    assert "something wants to end the process" in said
    assert "sys.exit(3)" in said
    assert "did not start" not in said
    client.drop()


async def begin(url: str) -> StompSocket:
    client = await StompSocket.open(url)
    await client.connect()
    await client.subscribe("/topic/begun")
    await client.send("SEND", {"destination": "/app/retry"}, "x")
    await client.message()
    return client


async def test_a_handler_that_swallows_its_cancellation_does_not_keep_the_node(
    serve_node: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "stubborn.py").write_text(APPLICATION)
    node = serve_node("stubborn:app", "--set", "shutdown_timeout_s=0.5", "--set", "close_timeout_s=0.5")
    client = await begin(node.stomp_url)
    begun = time.monotonic()
    node.process.send_signal(signal.SIGTERM)
    assert (await client.closed()).code == 1012
    assert node.process.wait(30) == 0
    assert time.monotonic() - begun < 8
    assert "a handler has not ended, not even when it was cancelled" in node.said()
    assert "retry() at stubborn.py" in node.said()
    client.drop()


@pytest.fixture
def plain_uvicorn(free_port: int, tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    (tmp_path / "stubborn.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "uvicorn", "stubborn:app", "--ws", "websockets-sansio"]
    short = {"STOMPEDE_SHUTDOWN_TIMEOUT_S": "0.5", "STOMPEDE_CLOSE_TIMEOUT_S": "0.5"}
    with subprocess.Popen(
        [*command, "--port", str(free_port)], cwd=tmp_path, env={**os.environ, **short}
    ) as process:
        yield process, f"ws://127.0.0.1:{free_port}/stomp"
        process.kill()


async def test_neither_does_it_keep_another_server(
    plain_uvicorn: tuple["subprocess.Popen[bytes]", str],
) -> None:
    process, url = plain_uvicorn
    client = await _patiently(url)
    process.terminate()
    assert await asyncio.to_thread(process.wait, 30) == -signal.SIGTERM
    client.drop()


async def _patiently(url: str) -> StompSocket:
    end = time.monotonic() + 30
    while True:
        try:
            return await begin(url)
        except OSError:
            if time.monotonic() > end:
                pytest.fail("the server does not listen")
