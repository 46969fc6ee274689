"""How much of what was written to a socket the peer has not taken yet."""

from __future__ import annotations

import asyncio
import sys

if sys.platform == "linux":
    import fcntl
    import struct
    import termios


def unsent_bytes(socket: asyncio.Transport) -> int:
    """What stands in the transport, and on Linux in the kernel: a kernel that holds megabytes takes more only when a
    good part of them is gone, so that the transport alone would stand still for a while under one who reads slowly.

    Args:
        socket: the transport of any event loop.
    """
    return socket.get_write_buffer_size() + _in_the_kernel(socket)


def _in_the_kernel(socket: asyncio.Transport) -> int:
    if sys.platform == "linux":
        sock = socket.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            try:
                answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
            except OSError:  # no socket that has such a figure
                return 0
            return int(struct.unpack("i", answer)[0])
    return 0
