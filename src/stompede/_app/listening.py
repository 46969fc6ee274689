"""Sockets that are bound before anything starts, so that what is wrong with an address is said in a sentence."""

from __future__ import annotations

import socket

from stompede.errors import ConfigurationError


def listen(host: str, port: int, options: str = "--host and --port") -> socket.socket:
    """A socket that is bound, so that a port which is taken is known before anything starts.

    Args:
        host: address or name.
        port: 0 for a free one.
        options: how another one is chosen, for the sentence.

    Raises:
        ConfigurationError: the port is taken, or the address is none of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen at {host}:{port}: {error.strerror or error}; choose another with {options}"
        ) from error
    listener.setblocking(False)
    return listener


def authority_of(listener: socket.socket) -> str:
    """Host and port of a bound socket, as they stand in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
