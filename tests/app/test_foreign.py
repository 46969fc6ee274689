"""What is said under a uvicorn that knows nothing of Stompede."""

import asyncio
import signal
from collections.abc import Iterator

import pytest
import structlog
import uvicorn

from serving import make_app
from stompede._app.foreign import stopping_with_server


@pytest.fixture
def server() -> Iterator[uvicorn.Server]:
    """One that has put its function where signals call it."""
    server = uvicorn.Server(uvicorn.Config(make_app()))
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    server.config.load()
    yield server
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("there", [False, True])
async def test_a_uvicorn_without_a_websocket_library_is_told_of_when_it_starts(
    server: uvicorn.Server, there: bool
) -> None:
    if not there:
        server.config.ws_protocol_class = None
    app = make_app()
    with structlog.testing.capture_logs() as logs:
        async with app.running(), stopping_with_server(app):
            await asyncio.sleep(0)
    said = [line for line in logs if "no WebSocket library" in line["event"]]
    assert len(said) == (not there)
