"""Churn for a long time against a node in a process of its own; when everybody has gone, nothing of them is left.

``STOMPEDE_SOAK_S`` is how long it is measured, in seconds, after a warm-up; ``make soak`` says 15 minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import random
from collections.abc import AsyncIterator, Iterable

import pytest
from acts import ACTS, QUESTIONS, QUEUES
from churn import BODY, Churn, Doors, settled
from remains import KEPT, SETTINGS, Snapshot, gauges, grown, nobody_there, nothing_left, typical
from soaked import Soaked, soaked

import sockjsclient
import stompsocket
from cutting import CuttingProxy
from stompline import StompLine
from stompsocket import StompSocket, encode

log = logging.getLogger(__name__)
SEED = int(os.environ.get("STOMPEDE_SOAK_SEED", "1"))
MEASURED_S = float(os.environ.get("STOMPEDE_SOAK_S", "30"))
WARM_UP_S = max(15.0, MEASURED_S / 10)
AT_ONCE = 24
WARM_UP_AT_ONCE = 2 * AT_ONCE
"""What allocators keep free depends on the fullest moment: it shall come before the first look."""
SAMPLES = 5
ROUTES = 4000  # remembered when memory is looked at: others were before, and all of them were forgotten
_names = itertools.count()
UNEXPECTED = ("Traceback", "failed", "could not", '"level": "error"', "Task exception", "never retrieved")
EXPECTED = "TLS handshakes failed"


@contextlib.asynccontextmanager
async def doors_of(node: Soaked) -> AsyncIterator[Doors]:
    """Ways in: every third connection goes through a proxy that cuts it at a random byte."""
    chance = random.Random(SEED)
    proxies = [
        CuttingProxy(int(url.rpartition(":")[2]), chance, 20_000)
        for url in (node.url, node.line, node.encrypted)
    ]
    async with contextlib.AsyncExitStack() as running:
        for proxy in proxies:
            await running.enter_async_context(proxy.running())
        cut = [f"stomp://127.0.0.1:{proxy.port}" for proxy in proxies]
        yield Doors(
            node.http,
            (node.url, node.url, cut[0].replace("stomp", "ws")),
            (node.line, node.line, cut[1]),
            (node.encrypted, node.encrypted, cut[2]),
            node.trust,
        )
    assert all(proxy.cuts for proxy in proxies)


async def drain(node: Soaked) -> None:
    """Takes all that waits in queues: it is kept on purpose, and would hide what is not."""
    client = await StompLine.dial(node.line)
    await client.connect({"heart-beat": "0,0"})
    for queue in (*QUEUES, QUESTIONS, "/queue/letters"):
        await client.subscribe(queue, queue)
    async with asyncio.timeout(60):
        while (await gauges(node.http))["stompede_queue_waiting"]:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while True:
                        await client.message()
    client.frames.clear()
    await client.request("DISCONNECT")
    client.drop()


async def level(node: Soaked) -> None:
    """Fills what the node keeps on purpose, so that the same is in it at the end as at the beginning."""
    client = await StompLine.dial(node.line)
    await client.connect({"heart-beat": "0,0"})
    destinations = SETTINGS["history_destinations"]
    past = (f"/topic/past/{number % destinations}" for number in range(50 * destinations))
    await send_all(client, past, BODY)
    routes = (await gauges(node.http))["stompede_routes_remembered"]
    count = KEPT["stompede_routes_remembered"] - int(routes) + ROUTES
    await send_all(client, (f"/topic/filling/{next(_names):040}" for _ in range(count)))
    await client.request("DISCONNECT")
    client.drop()
    await nobody_there(node.http)


async def send_all(client: StompLine, destinations: Iterable[str], body: str = "") -> None:
    """Sends a message to each, many of them at once."""
    frames = [encode("SEND", {"destination": destination}, body) for destination in destinations]
    for start in range(0, len(frames), 500):
        await client.send_bytes(b"".join(frames[start : start + 500]))
        await settled(client)


async def quiet(node: Soaked, fresh: Snapshot) -> tuple[Snapshot, list[str]]:
    """What the node holds when nobody is there, and what of it may not be."""
    samples, found = [], []
    for _ in range(SAMPLES):
        await level(node)
        sample, left = await nothing_left(node.http, node.node, fresh)
        samples.append(sample)
        found += left
    return await node.trimmed(typical(samples)), found


async def witness(url: str, stop: asyncio.Event) -> int:
    """One publishes and listens, and notices nothing of all the others. Returns how many messages came."""
    async with await StompSocket.open(f"{url}/stomp") as client:
        await client.connect({"heart-beat": "0,0"})
        await client.subscribe("/topic/witness")
        count = 0
        while not stop.is_set():
            await client.request("SEND", {"destination": "/topic/witness"}, str(count))
            assert (await client.message()).text == str(count)
            count += 1
            await asyncio.sleep(0.01)
        await client.request("DISCONNECT")
        return count


async def churn_for(
    node: Soaked, churn: Churn, seconds: float, at_once: int, *, crowds: bool = False
) -> None:
    """Clients for so long, until they have gone and nothing waits in queues; before them, many of each kind at once."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        witnessing = group.create_task(witness(node.url, stop))
        try:
            if crowds:
                await churn.crowds(at_once)
            await churn.run(seconds, at_once)
        finally:
            stop.set()
    assert witnessing.result() > seconds
    await nobody_there(node.http)
    await drain(node)


async def soak(node: Soaked) -> None:
    """The warm-up, which fills what the node keeps; then the measured time."""
    await node.snapshot()  # the first request has its own imports
    fresh = await node.snapshot()
    async with doors_of(node) as doors:
        churn = Churn(doors, await node.tokens(), ACTS, SEED)
        await churn_for(node, churn, WARM_UP_S, WARM_UP_AT_ONCE, crowds=True)
        before, found = await quiet(node, fresh)
        assert not found, f"seed {SEED}, after the warm-up: " + "\n".join(found)
        await churn_for(node, churn, MEASURED_S, AT_ONCE)
    after, found = await quiet(node, fresh)
    found += grown(after, before)
    log.info(summary(churn, before, after))
    assert not found, f"seed {SEED}: " + "\n".join(found)
    reached(churn, after)


def summary(churn: Churn, before: Snapshot, after: Snapshot) -> str:
    """What was done, and what the process held."""
    acts = sum(count for name, count in churn.done.items() if not name.endswith("to the end"))
    objects = [sum(each.figures["types"].values()) for each in (before, after)]
    return (
        f"seed {SEED}, {acts} acts: {dict(sorted(churn.done.items()))}\n"
        f"in use {memory_of(before)} -> {memory_of(after)}\n"
        f"blocks {before.blocks:g} -> {after.blocks:g}, objects {objects[0]} -> {objects[1]}, "
        f"file descriptors {before.descriptors} -> {after.descriptors}"
    )


def memory_of(now: Snapshot) -> str:
    """Memory in MB, on one line."""
    memory = now.memory
    return (
        f"{now.used / 1e6:.1f} MB (C {memory.c / 1e6:.1f}, Python {memory.python / 1e6:.1f}; free C "
        f"{memory.c_free / 1e6:.1f}, Python {memory.python_free / 1e6:.1f}; RSS {now.rss / 1e6:.1f}, "
        f"trimmed {now.trimmed / 1e6:.1f})"
    )


def reached(churn: Churn, after: Snapshot) -> None:
    """The churn did what it is there for: otherwise that nothing is left would say nothing."""
    figures, packed = after.figures["statistics"], after.figures["compression"]
    moved = {
        "redelivered": figures["queues"]["redelivered"],
        "refused by NACK": figures["queues"]["refused"],
        "given back": figures["queues"]["store"]["givenBack"],
        "dead": figures["queues"]["dead"],
        "expired": figures["queues"]["expired"],
        "committed": figures["transactions"]["committed"],
        "aborted": figures["transactions"]["aborted"],
        "recovered": figures["recovery"]["recovered"],
        "not recovered": figures["recovery"]["refused"],
        "conflated": figures["outboxes"]["conflated"],
        "dropped": figures["outboxes"]["dropped"],
        "slow consumers": figures["ended"].get("slow-consumer"),
        "closed by operators": figures["ended"].get("closed-by-server"),
        "delivered on topics to be acknowledged": figures["topicAcks"]["delivered"],
        "presence told": figures["presence"]["told"],
        "threads": figures["pool"]["done"],
        "tokens": figures["tokens"]["verified"],
        "tokens driven out": figures["tokens"]["remembered"]["evicted"],
        "histories driven out": figures["history"]["evicted"],
        "without heart-beats": figures["ended"].get("heart-beat-missed"),
        "over a limit": figures["ended"].get("limit-exceeded"),
        "too big": figures["ended"].get("message-too-big"),
        "too many subscriptions": figures["problems"].get("rate-limited"),
        "handlers that took too long": figures["handlers"]["timed_out"],
        "reading slowed": figures["readingSlowedTotal"],
        "for members and sessions": figures["publisher"]["sentToUsers"],
        "published by threads": figures["publisher"]["published"],
        "compressed": packed["frames"],
        "decompressed": packed["inflated"]["messages"],
        "bombs": packed["inflated"]["bombs"],
    }
    assert all(moved.values()), moved
    assert {act.__name__ for act in ACTS} <= churn.done.keys(), churn.done


@pytest.mark.proof
@pytest.mark.timeout(WARM_UP_S + MEASURED_S + 420)
def test_nothing_is_left_when_everybody_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stompsocket, sockjsclient):
        monkeypatch.setattr(module, "PATIENCE_S", 30.0)  # the machine may have more to do than this
    with soaked() as node:
        asyncio.run(soak(node))
        node.process.terminate()
        assert node.process.wait() == 0
        log = node.process.log
    found = [
        line for line in log.splitlines() if EXPECTED not in line and any(sign in line for sign in UNEXPECTED)
    ]
    assert not found, f"seed {SEED}: " + "\n".join(found[:20])
