"""What a node still holds when everybody has gone, and whether it may.

Everything that is kept on purpose has a name here and a bound. A gauge of ``/metrics`` that is not among them must be
zero, so that a new one is looked after from its first day.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psutil
from allocated import Allocated

from sockjsclient import Exchange

TOLERANCE = 1.05
USED_TOLERANCE = 1.03  # no allocator's moods are in it
BLOCKS_TOLERANCE = 1.02
SLACK = 200  # objects: caches breathe
SETTINGS: Mapping[str, Any] = {
    "head_cache": 100, "token_cache": 50, "history_destinations": 50, "pool_threads": 4, "presence_grace_s": 0.5,
    "sockjs_disconnect_delay_s": 5, "connect_timeout_s": 8, "handshake_timeout_s": 8, "close_timeout_s": 1,
    "handler_timeout_s": 5, "heart_beat_grace_s": 2, "outbound_bytes": 100_000, "outbound_age_s": 3,
    "idle_timeout_s": 20, "max_inbound_bytes_per_s": 2_500_000, "max_subscriptions": 60, "max_transactions": 10,
    "tcp_port": 0, "compression": "*", "compression_min_bytes": 100,
    "sockjs_transports": "websocket,xhr-streaming,xhr-polling,eventsource,htmlfile,jsonp-polling,iframe",
}  # fmt: skip
# Gauges of /metrics that are not zero when nobody is there: why, and the most they may be.
KEPT: Mapping[str, Any] = {
    "stompede_routes_remembered": 4096,  # a cache
    "stompede_head_cache_entries": 2 * SETTINGS["head_cache"],  # a cache of two generations
    "stompede_tokens_remembered": SETTINGS["token_cache"],  # a cache
    "stompede_pool_threads": SETTINGS["pool_threads"],
    "stompede_history_destinations": SETTINGS["history_destinations"],
    "stompede_history_messages": 50 * SETTINGS["history_destinations"],
    "stompede_history_bytes": 64 * 1024 * SETTINGS["history_destinations"],
    "stompede_bus_connected": 1,
    "stompede_loop_lag_seconds": float("inf"),  # a time, not a thing
}
# Figures that /metrics does not have.
EMPTY = (
    "statistics.queues.consumed", "statistics.presence.table.entries", "statistics.histories.watched",
    "statistics.outboxes.blocked", "statistics.temporaryQueues", "sockjs.ended", "sockjs.sessions", "sockjs.waiting",
    "sockjs.websockets", "routing.entries",
)  # fmt: skip
# Objects of this project's types that stay, and the most there may be. Any other stood for a client, or for something
# that a client asked for.
KEPT_OBJECTS: Mapping[str, int] = {
    "stompede.auth.issuer.TokenIssuer": 1,  # made when it is first asked for
    "stompede._types.Principal": SETTINGS["token_cache"],
    "stompede.wire.stomp.head.Head": 2 * SETTINGS["head_cache"],
    "stompede.server.fanout.topics.Shape": 1024,  # a cache
    "stompede.messaging.guards.Gate": 4096,  # of the remembered routes
    "stompede.server.handlers.carriers.Carrier": 65,  # parked tasks
    "stompede.transports.deflate.DeflateFraming": 8,  # one for each size of window
    "stompede.store.memory_history._Stream": SETTINGS["history_destinations"],
}
KEPT_TASKS: Mapping[str, int] = {"Carrier._run": 65}


class Snapshot(NamedTuple):
    """What a node's process held at one moment.

    Attributes:
        figures: of the application that is soaked.
        gauges: of ``/metrics``.
        rss: resident memory, in bytes; what the allocators keep free included.
        trimmed: the same after malloc gave back what it could.
        memory: what is in use, and what is kept free.
        blocks: what Python's allocator has given out: strings, too, of which the garbage collector knows nothing.
        descriptors: of files and sockets.
    """

    figures: dict[str, Any]
    gauges: dict[str, float]
    rss: float
    trimmed: float
    memory: Allocated
    blocks: float
    descriptors: int

    @property
    def used(self) -> int:
        """Bytes in use, in C and in Python."""
        return self.memory.c + self.memory.python


async def ask(http: str, path: str, method: str = "GET") -> bytes:
    """A request that leaves no connection behind: it waits until the node has closed it."""
    exchange = await Exchange.open(http)
    await exchange.ask(method, path, headers={"Connection": "close"})
    assert await exchange.head() == 200, path
    body = await exchange.body()
    assert await exchange.reader.read() == b""
    exchange.close()
    return body


async def gauges(http: str) -> dict[str, float]:
    """The gauges of ``/metrics`` by their names; those with labels are summed up."""
    text = (await ask(http, "/metrics")).decode()
    wanted = set(re.findall(r"^# TYPE (stompede_\w+) gauge$", text, re.MULTILINE))
    found: dict[str, float] = dict.fromkeys(wanted, 0.0)
    for name, value in re.findall(r"^(stompede_\w+)(?:\{.*\})? (\S+)$", text, re.MULTILINE):
        if name in wanted:
            found[name] += float(value)
    return found


async def snapshot(http: str, process: psutil.Process) -> Snapshot:
    """Looks into a node."""
    values = await gauges(http)
    figures = msgspec.json.decode(await ask(http, "/debug/snapshot"))
    rss = process.memory_info().rss
    memory = Allocated(**figures["allocated"])
    return Snapshot(figures, values, rss, rss, memory, figures["blocks"], process.num_fds())


async def trimmed(http: str, process: psutil.Process, now: Snapshot) -> Snapshot:
    """The same, with RSS after malloc gave back what it could."""
    await ask(http, "/debug/trim", "POST")
    return now._replace(trimmed=process.memory_info().rss)


def typical(samples: Sequence[Snapshot]) -> Snapshot:
    """The last of several, with the median of memory, which differs by what the allocator happens to keep free."""
    return samples[-1]._replace(
        rss=statistics.median(each.rss for each in samples),
        memory=sorted((each.memory for each in samples), key=lambda each: each.c + each.python)[
            len(samples) // 2
        ],
        blocks=statistics.median(each.blocks for each in samples),
    )


def left(now: Snapshot, fresh: Snapshot) -> list[str]:
    """What is there that was not there before the first client came."""
    return [*_figures_left(now), *_parts_left(now, fresh)]


def _figures_left(now: Snapshot) -> Iterator[str]:
    assert now.gauges, "the metrics have gauges"
    for name, value in now.gauges.items():
        if value > KEPT.get(name, 0):
            yield f"{name} is {value:g}, and not {KEPT.get(name, 0):g} at most"
    for path in EMPTY:
        value = now.figures
        for part in path.split("."):
            value = value[part]
        if value:
            yield f"{path} is {value}, and not 0"


def _parts_left(now: Snapshot, fresh: Snapshot) -> Iterator[str]:
    for kind, kept in (("tasks", KEPT_TASKS), ("timers", {}), ("types", KEPT_OBJECTS)):
        for name, count in now.figures[kind].items():
            most = max(fresh.figures[kind].get(name, 0), kept.get(name, 0))
            if count > most and (kind != "types" or name.startswith("stompede.")):
                yield f"{kind}: {count} of {name}, and not {most} at most"
    if now.descriptors > fresh.descriptors:
        yield f"{now.descriptors} open file descriptors, and not {fresh.descriptors}"
    if now.figures["threads"] > fresh.figures["threads"]:
        yield f"{now.figures['threads']} threads beside the pool's, and not {fresh.figures['threads']}"


def grown(now: Snapshot, before: Snapshot) -> list[str]:
    """What is more above what it was when the measured time began than memory may be."""
    found = []
    if now.used > before.used * USED_TOLERANCE:
        found.append(f"{now.used / 1e6:.1f} MB are in use, and {before.used / 1e6:.1f} MB were")
    if now.trimmed > before.trimmed * TOLERANCE:
        found.append(f"RSS is {now.trimmed / 1e6:.1f} MB, and was {before.trimmed / 1e6:.1f} MB")
    if now.blocks > before.blocks * BLOCKS_TOLERANCE:
        found.append(f"{now.blocks:g} blocks of Python's allocator, and there were {before.blocks:g}")
    types, earlier = now.figures["types"], before.figures["types"]
    if sum(types.values()) > sum(earlier.values()) * TOLERANCE + SLACK:
        found.append(f"{sum(types.values())} objects, and there were {sum(earlier.values())}")
    for name, count in types.items():
        if count > earlier.get(name, 0) * TOLERANCE + SLACK:
            found.append(f"{count} objects of {name}, and there were {earlier.get(name, 0)}")
    return found


async def nobody_there(http: str, patience_s: float = 30) -> None:
    """Waits until the node has noticed that everybody is gone; who looks then sees whether it has."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while loop.time() < end:
        now = await gauges(http)
        if not now["stompede_connections"] and not now["stompede_sockjs_sessions"]:
            return
        await asyncio.sleep(0.25)


async def nothing_left(
    http: str, process: psutil.Process, fresh: Snapshot, patience_s: float = 15
) -> tuple[Snapshot, list[str]]:
    """Waits until nothing is left, and says what is if that does not happen."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while True:
        now = await snapshot(http, process)
        found = left(now, fresh)
        if not found or loop.time() > end:
            return now, found
        await asyncio.sleep(0.25)
