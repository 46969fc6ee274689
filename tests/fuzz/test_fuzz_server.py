"""Bad clients against a running node, while two good ones go on and notice nothing.

Short by default; ``make proof`` runs the long one. Every client's writing is made from a number, which a failure names.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from pathlib import Path

import psutil
import pytest
from garbage import handshake, stream

from stompsocket import Closed, StompSocket
from subprocesses import Process, stompede_serve

SEED = int(os.environ.get("STOMPEDE_FUZZ_SEED", "1"))
UNEXPECTED = (
    "Traceback",
    "session failed",
    "clock failed",
    "handler failed",
    '"level": "error"',
    "Task exception",
)
WARM_UP = 150
MAX_GROWTH_BYTES = 8 * 1024 * 1024


async def bad_client(url: str, number: int) -> None:
    """Connects, writes what its number says, reads a little, and goes in one way or another."""
    chance = random.Random(SEED * 1_000_003 + number)
    host, port = url.removeprefix("ws://").partition("/")[0].split(":")
    if chance.random() < 0.1:
        reader, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(OSError, TimeoutError):
            writer.write(handshake(chance))
            await writer.drain()
            async with asyncio.timeout(0.05):
                await reader.read(1000)
        writer.close()
        return
    client = await StompSocket.open(url)
    with contextlib.suppress(OSError, Closed, TimeoutError, AssertionError, UnicodeDecodeError):
        for packet in stream(chance, chance.randrange(1, 40)):
            await client.send_bytes(packet)
            if chance.random() < 0.2:
                await asyncio.sleep(0)
        if chance.random() < 0.7:
            async with asyncio.timeout(0.2):
                while await asyncio.get_running_loop().sock_recv(client.sock, 65536):
                    pass
    client.drop()


async def good_clients(url: str, stop: asyncio.Event) -> int:
    """One publishes, one listens: every message arrives, once and in order. Returns how many there were."""
    writer, reader = await StompSocket.open(url), await StompSocket.open(url)
    try:
        await writer.connect({"heart-beat": "0,0"})
        await reader.connect({"heart-beat": "0,0"})
        await reader.subscribe("/topic/good")
        await writer.replies()
        count = 0
        while not stop.is_set():
            await writer.request("SEND", {"destination": "/topic/good"}, str(count))
            assert (await reader.message()).text == str(count)
            await writer.send("SEND", {"destination": "/app/echo"}, str(count))
            assert (await writer.message()).text == str(count)
            count += 1
        return count
    finally:
        writer.drop()
        reader.drop()


async def fuzz(url: str, process: Process, clients: int, at_once: int) -> None:
    stop = asyncio.Event()
    good = asyncio.create_task(good_clients(url, stop))
    node = psutil.Process(process.pid)
    turns = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with turns:
            await bad_client(url, number)

    # The allocator needs some clients of every kind before its arenas have the size that they keep.
    warm_up = max(WARM_UP, clients // 10)
    await asyncio.gather(*(one(number) for number in range(warm_up)))
    before = node.memory_info().rss
    await asyncio.gather(*(one(number) for number in range(warm_up, warm_up + clients)))
    growth = node.memory_info().rss - before
    stop.set()
    assert await good > 10
    assert growth < MAX_GROWTH_BYTES, f"{growth / 1e6:.1f} MB more after {clients} bad clients (seed {SEED})"


def run(clients: int, at_once: int) -> None:
    settings = (
        "max_body_bytes=20000", "max_message_bytes=60000", "max_header_line_bytes=2000",
        "connect_timeout_s=2", "close_timeout_s=1", "head_cache=200",
    )  # fmt: skip
    arguments = [part for setting in settings for part in ("--set", setting)]
    with stompede_serve("fuzzed_app:app", *arguments, PYTHONPATH=str(Path(__file__).parent)) as (
        process,
        http,
    ):
        url = http.replace("http", "ws") + "/stomp"
        asyncio.run(fuzz(url, process, clients, at_once))
        process.terminate()
        assert process.wait() == 0
        log = process.log
    found = [line for line in log.splitlines() if any(sign in line for sign in UNEXPECTED)]
    assert not found, f"seed {SEED}: " + "\n".join(found[:20])
    ends = {
        reason for reason in ("protocol-error", "limit-exceeded", "connection-lost") if f'"{reason}"' in log
    }
    assert ends == {"protocol-error", "limit-exceeded", "connection-lost"}, "the fuzz reaches what it should"


def test_bad_clients_break_nothing() -> None:
    begin = time.monotonic()
    run(clients=600, at_once=16)
    assert time.monotonic() - begin < 100


@pytest.mark.proof
@pytest.mark.timeout(3600)
def test_very_many_bad_clients_break_nothing() -> None:
    run(clients=int(os.environ.get("STOMPEDE_FUZZ_CLIENTS", "20000")), at_once=48)
