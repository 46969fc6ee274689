"""What endpoints, their transports, origins and URLs may be in the settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

SockJsTransport = Literal[
    "websocket", "xhr-streaming", "xhr-polling", "eventsource", "htmlfile", "jsonp-polling", "iframe"
]
_PATH: Final = re.compile(r"/|(/[A-Za-z0-9._~!$&'()+,;=:@%-]+)+")
_ORIGIN: Final = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(\[[0-9A-Fa-f:.]+\]|[^\s/?#@*:\[\]]+)(:[0-9]{1,5})?/?"
)


def check_places(
    endpoints: Sequence[str], origins: Sequence[str], compression: Sequence[str], public_url: str | None
) -> None:
    """All that follows.

    Raises:
        ValueError: something is not what it must be.
    """
    check_endpoints(endpoints)
    check_origins(origins)
    check_compression(compression, endpoints)
    if public_url is not None:
        check_public_url(public_url)


def check_endpoints(endpoints: Sequence[str]) -> None:
    """Holds endpoints to what a WebSocket URL may have as its path.

    Raises:
        ValueError: there is none, or one is no plain path, or stands there twice.
    """
    if not endpoints:
        raise ValueError("endpoints: there is none; name at least one path, for example /stomp")
    for path in endpoints:
        if not path.startswith("/"):
            raise ValueError(f"endpoints: {path} does not begin with a slash; write /{path}")
        if not _PATH.fullmatch(path):
            raise ValueError(
                f"endpoints: {path} is no plain path; it has no wildcards, variables, query or blanks, and no slash at "
                "its end: for example /stomp"
            )
    twice = [path for path in endpoints if endpoints.count(path) > 1]
    if twice:
        raise ValueError(f"endpoints: {twice[0]} stands there twice")


def check_compression(compression: Sequence[str], endpoints: Sequence[str]) -> None:
    """Holds the endpoints that compress to those that there are.

    Raises:
        ValueError: one is not there.
    """
    unknown = sorted(set(compression) - {"*", *endpoints})
    if unknown:
        raise ValueError(f"compression: {', '.join(unknown)} is none of `endpoints`")


def check_public_url(url: str) -> None:
    """Holds the URL of a node to what clients can connect to.

    Raises:
        ValueError: it is no WebSocket URL.
    """
    try:
        seen = urlsplit(url)
        fits = seen.scheme in ("ws", "wss") and bool(seen.hostname) and seen.port != 0
    except ValueError:  # a port that is none, a bracket that does not close
        fits = False
    if not fits or seen.username is not None or seen.fragment or any(char.isspace() for char in url):
        raise ValueError(
            f"public_url: {url} is no WebSocket URL; write one like wss://live.example.org/stomp"
        )


def check_origins(origins: Sequence[str]) -> None:
    """Holds allowed origins to what browsers send as ``Origin``.

    Raises:
        ValueError: one could never match.
    """
    for origin in origins:
        if origin in ("*", "null") or _ORIGIN.fullmatch(origin):
            continue
        seen = urlsplit(origin) if "//" in origin else None
        meant = f"{seen.scheme}://{seen.netloc}" if seen is not None and seen.scheme and seen.netloc else ""
        example = meant if _ORIGIN.fullmatch(meant) else "https://example.org"
        raise ValueError(
            f"allowed_origins: {origin} is no origin: scheme, host and port, without a path; write {example}, or * for "
            "every site"
        )
