"""The graceful stop of a node. Each step is bounded in time, so that no client and no handler can keep it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING

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
        session.stop_reading()
    await _end_work(node)
    await _close_sessions(node)
    with contextlib.suppress(TimeoutError):  # listeners that were told of the ends
        async with asyncio.timeout(node.settings.close_timeout_s):
            await asyncio.sleep(0)
            await node.runner.wait_empty()
    node.ticker.stop()
    if node.presence is not None:
        await node.presence.stop()


async def _end_work(node: Node) -> None:
    """Within ``shutdown_timeout_s`` handlers end and sockets take what is queued; then handlers are cancelled."""
    try:
        async with asyncio.timeout(node.settings.shutdown_timeout_s):
            await node.runner.wait_empty()
            node.hub.flush()
            await node.attendance.wait_none_blocked()
    except TimeoutError:
        node.runner.expire(math.inf)


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
