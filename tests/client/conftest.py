"""A real peer for each test, and the real server."""

from collections.abc import AsyncIterator

import pytest_asyncio
from client_house import house as house
from stomp_peer import Peer

from serving import serve as serve
from serving import transport as transport


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()
