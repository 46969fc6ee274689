"""A real peer for each test."""

from collections.abc import AsyncIterator

import pytest_asyncio
from stomp_peer import Peer


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()
