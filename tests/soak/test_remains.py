"""The soak can fail: each of its checks finds what it is there for."""

from __future__ import annotations

import asyncio

import pytest
from remains import Snapshot, grown, left, nobody_there, nothing_left
from soaked import Soaked, soaked

from sockjsclient import SockJsStomp
from stompline import StompLine
from stompsocket import StompSocket

LEAKS = {
    "task": "tasks: 1 of Event.wait, and not 0 at most",
    "timer": "timers: 1 of print, and not 0 at most",
    "descriptor": "open file descriptors",
    "thread": "threads beside the pool's",
    "routing": "routing.entries is 1, and not 0",
}
GROWTHS = {
    "memory": "RSS is",
    "library": "MB are in use",
    "strings": "blocks of Python's allocator",
    "objects": "objects of builtins.list",
}
# What a guest, a member and a SockJS client have while they are there.
HELD = (
    "stompede_sessions", "stompede_connections", "stompede_members", "stompede_subscriptions",
    "stompede_destinations", "stompede_wildcards", "stompede_deadlines_waiting", "stompede_queues",
    "stompede_queue_waiting", "stompede_queue_unacknowledged", "stompede_queue_bytes", "stompede_queue_consumers",
    "stompede_temporary_queues", "stompede_topic_consumers", "stompede_transactions_open", "stompede_bus_channels",
    "stompede_presence_members", "stompede_presence_guests", "stompede_history_watched", "stompede_sockjs_sessions",
    "statistics.queues.consumed", "statistics.presence.table.entries", "sockjs.sessions", "routing.entries",
    "types: 3 of stompede.server.session.session.Session", "open file descriptors",
)  # fmt: skip


async def looked_at(node: Soaked) -> Snapshot:
    """What the node holds before anybody came."""
    await node.snapshot()  # the first requests have their own imports
    await node.leak("nothing")
    return await node.snapshot()


def names(found: list[str], what: str) -> bool:
    return any(what in line for line in found)


async def find_leaks(node: Soaked) -> None:
    fresh = await looked_at(node)
    assert (await nothing_left(node.http, node.node, fresh))[1] == []
    for kind, what in LEAKS.items():
        assert not names(left(await node.snapshot(), fresh), what), kind
        await node.leak(kind)
        assert names(left(await node.snapshot(), fresh), what), kind
    for kind, what in GROWTHS.items():
        before = await node.trimmed(await node.snapshot())
        if kind == "library" and not before.memory.c:
            continue  # this C library does not tell
        assert not grown(await node.trimmed(await node.snapshot()), before)
        await node.leak(kind)
        assert names(grown(await node.trimmed(await node.snapshot()), before), what), kind


async def find_clients(node: Soaked) -> None:
    fresh = await looked_at(node)
    sockjs = await SockJsStomp(f"{node.http}/stomp", "xhr_streaming").open()
    async with (
        await StompSocket.open(f"{node.url}/stomp") as guest,
        await StompLine.dial(node.line) as member,
    ):
        await sockjs.connect()
        await guest.connect()
        await member.connect({"login": "cook", "passcode": "x"})
        for client in (guest, member):
            await client.subscribe("/topic/rooms/1", "room")
        await guest.subscribe("/topic/past/*", "wildcard")
        await guest.subscribe("/topic/plain", "plain", ack="client")
        await guest.subscribe("/temp-queue/answers", "answers")
        await guest.subscribe("/queue/jobs/a", "work", ack="client", **{"prefetch-count": 1})
        await guest.send("BEGIN", {"transaction": "t"})
        for _ in range(2):
            await guest.request("SEND", {"destination": "/queue/jobs/a"}, "soup")
        found = left(await node.snapshot(), fresh)
        assert [what for what in HELD if not names(found, what)] == [], found
        await node.leak("session")
    sockjs.drop()
    await nobody_there(node.http)
    found = left(await node.snapshot(), fresh)
    assert names(found, "stompede_queue_waiting is 2, and not 0 at most")
    assert names(found, "types: 3 of stompede.server.session.session.Session, and not 0 at most")


@pytest.mark.parametrize("look", [find_leaks, find_clients])
def test_what_is_left_is_found(look) -> None:
    with soaked() as node:
        asyncio.run(look(node))


async def come_and_go(node: Soaked) -> list[str]:
    fresh = await looked_at(node)
    async with await StompSocket.open(f"{node.url}/stomp") as guest:
        await guest.connect()
        await guest.subscribe("/topic/rooms/1", "room")
        await guest.request("DISCONNECT")
    await nobody_there(node.http)
    return (await nothing_left(node.http, node.node, fresh))[1]


def test_of_who_has_gone_nothing_is_left() -> None:
    with soaked() as node:
        assert asyncio.run(come_and_go(node)) == []
