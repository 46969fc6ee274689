"""Tests of applications, without a port and without waiting.

async def test_say():
    async with testing.connect(app, member="cook") as cook, testing.connect(app) as guest:
        async with guest.subscribe("/topic/rooms/kitchen", Said) as messages:
            await cook.send("/app/rooms/kitchen/say", Say("soup"))
            assert (await messages.next()).body == Said("cook", "soup")
"""

from stompede.testing.clock import ManualClock as ManualClock
from stompede.testing.connecting import MemoryDialer as MemoryDialer
from stompede.testing.connecting import connect as connect
from stompede.testing.connecting import link_of as link_of
from stompede.testing.hosting import Application as Application
from stompede.testing.hosting import running as running
from stompede.testing.memory import MemoryConnection as MemoryConnection
from stompede.testing.memory import MemoryLink as MemoryLink
from stompede.testing.memory import MemoryTransport as MemoryTransport

__all__ = [
    "Application",
    "ManualClock",
    "MemoryConnection",
    "MemoryDialer",
    "MemoryLink",
    "MemoryTransport",
    "connect",
    "link_of",
    "running",
]
