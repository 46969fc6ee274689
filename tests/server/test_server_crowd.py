"""A thousand clients that stop reading while others are served: bounded memory, and nobody else notices."""

import asyncio
import re
import statistics
import time
from typing import Any

import pytest

from serving import Served, make_app, serving, until
from stompede import Conflate, DropOldest, Stompede
from stompede.server.session.session import Session
from stompline import StompLine
from tcpserving import TcpServed

pytestmark = [pytest.mark.proof, pytest.mark.timeout(300)]

STUCK = 1000
TOPICS = 100
HEARERS = 5
PER_S = 10_000
SECONDS = 3
BODY = "x" * 200
_BODY = re.compile(rb"\n\n(\d+) ([\d.]+) x+\0")
FILLING = "x" * 8000
OUTBOUND_BYTES = 64 * 1024
POLICIES = {"cut": None, "drop": DropOldest(), "conflate": Conflate(by="rider")}


def an_app() -> Stompede:
    app = make_app(tcp_port=0, outbound_bytes=OUTBOUND_BYTES, heart_beat_send_ms=0)
    for name, policy in POLICIES.items():
        if policy is not None:
            app.destination(f"/topic/{name}/{{number}}", slow=policy)
    return app


class Hearer:
    """Reads one topic all the time, and how late each message came. It looks for bodies only: it must cost little."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self.seen: list[int] = []

    async def run(self, line: StompLine) -> None:
        loop = asyncio.get_running_loop()
        rest = b""
        while data := await loop.sock_recv(line.sock, 1 << 20):
            now = time.perf_counter()
            data = rest + data
            end = 0
            for found in _BODY.finditer(data):
                self.seen.append(int(found[1]))
                self.late_s.append(now - float(found[2]))
                end = found.end()
            rest = data[end:]

    def p99_s(self) -> float:
        return statistics.quantiles(self.late_s, n=100)[98]


async def flood(served: Served, topic: str, seconds: float) -> int:
    """Publishes at a steady rate, to the stuck ones' topics and the hearers'; returns how many of each."""
    begin, count, step = time.perf_counter(), 0, 0.005
    while (passed := time.perf_counter() - begin) < seconds:
        while count < passed * PER_S / 2:
            head = f"{count} {time.perf_counter()} {BODY}"
            served.app.publish_nowait("/topic/heard", head)
            rider = {"rider": str(count % 7)}
            served.app.publish_nowait(f"/topic/{topic}/{count % TOPICS}", head + BODY * 4, headers=rider)
            count += 1
        await asyncio.sleep(step)
    return count


async def hear(served: Served, url: str, topic: str) -> tuple[list[Hearer], int]:
    """What hearers get while a flood lasts."""
    hearers = [Hearer() for _ in range(HEARERS)]
    lines = [await subscribed(served, url, "/topic/heard") for _ in hearers]
    tasks = [asyncio.create_task(hearer.run(line)) for hearer, line in zip(hearers, lines, strict=True)]
    count = await flood(served, topic, SECONDS)
    await until(lambda: all(len(hearer.seen) == count for hearer in hearers), "all messages", 60)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for line in lines:
        line.drop()
    return hearers, count


async def subscribed(served: Served, url: str, destination: str, **options: Any) -> StompLine:
    line = await StompLine.dial(url, **options)
    served.clients.append(line)
    await line.connect()
    await line.subscribe(destination)
    return line


@pytest.mark.parametrize("policy", list(POLICIES))
async def test_a_thousand_clients_that_stop_reading_cost_what_is_allowed_and_nobody_else(policy: str) -> None:
    async with serving(an_app()) as served:
        url = TcpServed(served).url
        alone = [(await hear(served, url, "nobody"))[0] for _ in range(3)]
        quiet = [max(hearer.p99_s() for hearer in hearers) for hearers in alone]
        stuck = [
            await subscribed(served, url, f"/topic/{policy}/{number % TOPICS}", receive_buffer=4096)
            for number in range(STUCK)
        ]
        sessions = [served.session(line) for line in stuck]
        most_bytes = 0

        async def watch() -> None:
            nonlocal most_bytes
            while True:
                most_bytes = max(most_bytes, served.node.outbox_counters.queued_bytes)
                for session in sessions[::100]:
                    assert session.outbox.queued_bytes <= OUTBOUND_BYTES
                await asyncio.sleep(0.05)

        watching = asyncio.create_task(watch())
        await fill(served, policy, sessions)
        hearers, count = await hear(served, url, policy)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        for hearer in hearers:
            assert hearer.seen == list(range(count))
        loud = max(hearer.p99_s() for hearer in hearers)
        assert 0 < most_bytes <= STUCK * OUTBOUND_BYTES

        assert loud <= 2 * max(quiet) + 0.02, f"p99 alone {quiet}, beside the stuck {loud}"
        figures = served.node.statistics().outboxes
        if policy == "cut":
            assert figures.overflows == STUCK
            assert all(session.closed for session in sessions)
        elif policy == "drop":
            assert (figures.overflows, figures.dropped > STUCK) == (0, True)
        else:
            assert (figures.overflows, figures.dropped, figures.conflated > STUCK) == (0, 0, True)
            assert all(session.outbox.queued_bytes < 8 * 2 * len(FILLING) for session in sessions)
        await _newest_arrives(served, stuck, policy)


async def fill(served: Served, policy: str, sessions: list[Session]) -> None:
    """Publishes until the kernel takes nothing more for anybody; what follows is what the policy makes of it."""
    while not all(session.closed or session.outbox.blocked for session in sessions):
        for number in range(TOPICS):
            await served.app.publish(f"/topic/{policy}/{number}", FILLING, headers={"rider": "0"})


async def _newest_arrives(served: Served, stuck: list[StompLine], policy: str) -> None:
    """Those that were not cut read again: what they get is in order, and ends with the newest."""
    if policy == "cut":
        return
    for number, line in enumerate(stuck[:5]):
        await served.app.publish(f"/topic/{policy}/{number}", "-1 0 last", headers={"rider": "last"})
        last = await line.frame_where(lambda frame: frame.text == "-1 0 last", "the newest message")
        assert last.command == "MESSAGE"
