"""The graceful stop of a node. Each step is bounded in time, so that no client and no handler can keep it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING

import structlog

from stompede.errors import BusError
from stompede.server.draining import DrainOrder
from stompede.server.session import reading
from stompede.server.session.disconnects import Disconnects

if TYPE_CHECKING:
    from stompede.server.node import Node
    from stompede.server.session.session import Session

log = structlog.get_logger("stompede.node")


async def stop(node: Node) -> None:
    """Takes no new sessions and no new frames, lets handlers end, sends what is queued, closes with 1012.
    Idempotent.
    """
    if not node.accepting and not node.ticker.ticking:
        return
    if node.settings.drain_s and node.accepting and len(node.transports):
        within_s = node.settings.drain_s
        node.drain.begin(DrainOrder(rate_per_s=max(1.0, len(node.transports) / within_s), within_s=within_s))
        await node.drain.wait()
    node.drain.end()
    node.accepting = False
    if node.attendance.reporter is not None:
        node.attendance.reporter.refresh_soon()
    for session in list(node.transports):  # those that have not sent CONNECT, too
        reading.stop(session)
    await _end_work(node)
    _tell_to_come_back(node, list(node.transports))
    await _cut_the_rest(node)
    try:
        async with asyncio.timeout(node.settings.close_timeout_s):  # listeners that were told of the ends
            await asyncio.sleep(0)
            await node.runner.wait_empty()
    except TimeoutError:
        node.runner.give_up_all()
        await asyncio.sleep(0)  # what is told of it, and logged
    node.ticker.stop()
    if node.attendance.reporter is not None:
        try:
            await node.attendance.reporter.stop()
        except BusError as error:
            log.warning("the registry did not take the end of this node", error=str(error))
    if node.presence is not None:
        await node.presence.stop()


async def _end_work(node: Node) -> None:
    """Within ``shutdown_timeout_s`` handlers end and sockets take what is queued; then handlers are cancelled.

    What a handler publishes is for everybody, so all sessions stay until the last has ended. From then on each is
    closed as soon as its own socket has taken what is queued; nobody waits for the slowest.
    """
    try:
        async with asyncio.timeout(node.settings.shutdown_timeout_s):
            await node.runner.wait_empty()
            while node.turns:  # sessions that have come so far, and rest
                await asyncio.sleep(0)
                await node.runner.wait_empty()
            node.hub.flush()
            ready = list(node.transports)
            while True:
                _tell_to_come_back(node, [one for one in ready if one not in node.blocked])
                if not node.blocked:
                    return
                ready = await node.attendance.wait_fewer_blocked()
    except TimeoutError:
        node.runner.cancel_all()


def _tell_to_come_back(node: Node, sessions: Iterable[Session]) -> None:
    for session in sessions:
        if session.id in node.sessions:
            session.error_and_end(Disconnects.RESTART, "the node stops; come back in a moment")
        elif not session.closed:  # not connected yet
            session.end(Disconnects.RESTART.value)


async def _cut_the_rest(node: Node) -> None:
    """Cuts those whose close frame has not come within ``close_timeout_s``."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(node.settings.close_timeout_s + 1):
            await node.attendance.wait_all_gone()
    for session in list(node.transports):
        session.transport.abort()
