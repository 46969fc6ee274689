"""Churn for a long time against a node in a process of its own; when everybody has gone, nothing of them is left.

``STOMPEDE_SOAK_S`` is how long it is measured, in seconds, after a warm-up; ``make soak`` says 15 minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
from collections.abc import AsyncIterator

import pytest
from churn import ACTS, QUEUES, Churn, Doors
from remains import Snapshot, gauges, grown, nobody_there, nothing_left
from soaked import Soaked, soaked

from cutting import CuttingProxy
from stompline import StompLine
from stompsocket import StompSocket

log = logging.getLogger(__name__)
SEED = int(os.environ.get("STOMPEDE_SOAK_SEED", "1"))
MEASURED_S = float(os.environ.get("STOMPEDE_SOAK_S", "30"))
WARM_UP_S = max(15.0, MEASURED_S / 10)
AT_ONCE = 24
UNEXPECTED = ("Traceback", "failed", "could not", '"level": "error"', "Task exception", "never retrieved")


@contextlib.asynccontextmanager
async def doors_of(node: Soaked) -> AsyncIterator[Doors]:
    """Ways in: every third connection goes through a proxy that cuts it at a random byte."""
    chance = random.Random(SEED)
    websocket, line = (
        CuttingProxy(int(url.rpartition(":")[2]), chance, 20_000) for url in (node.url, node.line)
    )
    async with websocket.running(), line.running():
        cut = f"ws://127.0.0.1:{websocket.port}", f"stomp://127.0.0.1:{line.port}"
        yield Doors(node.http, (node.url, node.url, cut[0]), (node.line, node.line, cut[1]))
    assert websocket.cuts
    assert line.cuts


async def drain(node: Soaked) -> None:
    """Takes all that waits in queues: it is kept on purpose, and would hide what is not."""
    client = await StompLine.dial(node.line)
    await client.connect({"heart-beat": "0,0"})
    for queue in (*QUEUES, "/queue/letters"):
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


async def fill(node: Soaked) -> None:
    """Makes the node remember as many destinations as it does, so that this is no growth later."""
    client = await StompLine.dial(node.line)
    await client.connect({"heart-beat": "0,0"})
    for number in range(4200):
        await client.send("SEND", {"destination": f"/topic/filling/{number:040}"})
    await client.request("DISCONNECT")
    client.drop()


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


async def churn_for(node: Soaked, churn: Churn, seconds: float) -> None:
    """Clients for so long, until they have gone and nothing waits in queues."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        witnessing = group.create_task(witness(node.url, stop))
        try:
            await churn.run(seconds, AT_ONCE)
        finally:
            stop.set()
    assert witnessing.result() > seconds
    await nobody_there(node.http)
    await drain(node)


async def soak(node: Soaked) -> None:
    """The warm-up, which fills what the node keeps; then the measured time."""
    await node.snapshot()  # the first request has its own imports
    fresh = await node.snapshot()
    await fill(node)
    async with doors_of(node) as doors:
        churn = Churn(doors, await node.tokens(), SEED)
        await churn_for(node, churn, WARM_UP_S)
        before, found = await nothing_left(node.http, node.node, fresh)
        assert not found, f"seed {SEED}, after the warm-up: " + "\n".join(found)
        await churn_for(node, churn, MEASURED_S)
    after, found = await nothing_left(node.http, node.node, fresh)
    found += grown(after, before)
    log.info(summary(churn, before, after))
    assert not found, f"seed {SEED}: " + "\n".join(found)
    reached(churn, after)


def summary(churn: Churn, before: Snapshot, after: Snapshot) -> str:
    """What was done, and what the process held."""
    objects = [sum(each.figures["types"].values()) for each in (before, after)]
    return (
        f"{dict(churn.done)}\n"
        f"{after.gauges['stompede_routes_remembered']:g} routes remembered, "
        f"RSS {before.rss / 1e6:.1f} -> {after.rss / 1e6:.1f} MB, "
        f"objects {objects[0]} -> {objects[1]}, file descriptors {before.descriptors} -> {after.descriptors}"
    )


def reached(churn: Churn, after: Snapshot) -> None:
    """The churn did what it is there for: otherwise that nothing is left would say nothing."""
    figures = after.figures["statistics"]
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
    }
    assert all(moved.values()), moved
    assert {act.__name__ for act in ACTS} <= churn.done.keys(), churn.done


@pytest.mark.proof
@pytest.mark.timeout(WARM_UP_S + MEASURED_S + 240)
def test_nothing_is_left_when_everybody_has_gone() -> None:
    with soaked() as node:
        asyncio.run(soak(node))
        node.process.terminate()
        assert node.process.wait() == 0
        log = node.process.log
    found = [line for line in log.splitlines() if any(sign in line for sign in UNEXPECTED)]
    assert not found, f"seed {SEED}: " + "\n".join(found[:20])
