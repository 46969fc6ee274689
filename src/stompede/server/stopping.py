"""The graceful stop of a node. Each step is bounded in time, so that no client and no handler can keep it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from stompede.server.session import reading
from stompede.server.session.disconnects import Disconnects

if TYPE_CHECKING:
    from stompede.server.node import Node


async def stop(node: Node) -> None:
    """Takes no new sessions and no new frames, lets handlers end, sends what is queued, closes with 1012.
    Idempotent.
    """
    if not node.accepting and not node.ticker.ticking:
        return
    node.accepting = False
    for session in list(node.transports):  # those that have not sent CONNECT, too
        reading.stop(session)
    await _end_work(node)
    await _close_sessions(node)
    try:
        async with asyncio.timeout(node.settings.close_timeout_s):  # listeners that were told of the ends
            await asyncio.sleep(0)
            await node.runner.wait_empty()
    except TimeoutError:
        node.runner.give_up_all()
        await asyncio.sleep(0)  # what is told of it, and logged
    node.ticker.stop()
    if node.presence is not None:
        await node.presence.stop()


async def _end_work(node: Node) -> None:
    """Within ``shutdown_timeout_s`` handlers end and sockets take what is queued; then handlers are cancelled."""
    try:
        async with asyncio.timeout(node.settings.shutdown_timeout_s):
            await node.runner.wait_empty()
            while node.turns:  # sessions that have come so far, and rest
                await asyncio.sleep(0)
                await node.runner.wait_empty()
            node.hub.flush()
            await node.attendance.wait_none_blocked()
    except TimeoutError:
        node.runner.cancel_all()


async def _close_sessions(node: Node) -> None:
    """Tells clients to come back, and cuts those whose close frame has not come within ``close_timeout_s``."""
    for session in list(node.sessions.values()):
        session.error_and_end(Disconnects.RESTART, "the node stops; come back in a moment")
    for session in [one for one in node.transports if not one.closed]:  # not connected yet
        session.end(Disconnects.RESTART.value)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(node.settings.close_timeout_s + 1):
            await node.attendance.wait_all_gone()
    for session in list(node.transports):
        session.transport.abort()
