"""To read again after a pause."""

from __future__ import annotations

import asyncio


def resume_reading(socket: asyncio.Transport) -> None:
    """Reads a socket again, and what TLS has of it already.

    aiofastnet 1.2 has taken up to 256 KiB from a TLS socket when reading is paused, and on `resume_reading` looks at
    them only if the socket has more: who has sent all that it had to say would not be heard. So it is asked to look.

    Args:
        socket: the transport of any event loop.
    """
    socket.resume_reading()
    look = getattr(socket, "_retry_ssl_read", None)
    if look is not None:
        asyncio.get_running_loop().call_soon(look)
