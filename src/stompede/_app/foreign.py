"""Under a uvicorn that knows nothing of Stompede: how the application learns that it stops.

By ASGI it learns it from the end of the lifespan, and uvicorn ends that when all responses are complete. A streaming
response of SockJS never is: the one would wait for the other. But the functions that uvicorn has installed for signals
are methods of its server, which says in ``should_exit`` whether it stops. So that is looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

import structlog

from stompede._app.tcp import stop_listening

if TYPE_CHECKING:
    from stompede._app.application import Stompede

log = structlog.get_logger("stompede.serve")
_LOOK_EVERY_S: Final = 0.25


@contextlib.asynccontextmanager
async def stopping_with_server(app: Stompede) -> AsyncIterator[None]:
    """Stops the node as soon as such a uvicorn begins to stop, while the block lasts; else does nothing."""
    server = None if app._server_stops_node else _uvicorn()
    if server is None:
        yield
        return
    if server.config.ws == "auto" and server.config.ws_protocol_class is None:
        log.warning(
            "uvicorn has no WebSocket library, so it answers every handshake with an error: "
            "pip install websockets, or serve with `stompede serve`, which needs none"
        )
    watching = asyncio.create_task(_stop_with(server, app))
    try:
        yield
    finally:
        watching.cancel()  # a stop that is cut short here is made whole at the end of the lifespan
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def _stop_with(server: Any, app: Stompede) -> None:
    while not server.should_exit:  # noqa: ASYNC110 - uvicorn has a flag, and no event
        await asyncio.sleep(_LOOK_EVERY_S)
    stop_listening(app._tcp_server)
    await app.node.stop()
    app._endpoints.close()


def _uvicorn() -> Any:
    """The server whose functions signals call; ``None`` where it is another one, or listens to no signals."""
    uvicorn = sys.modules.get("uvicorn")
    if uvicorn is None:
        return None
    owner = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return owner if isinstance(owner, uvicorn.Server) else None
