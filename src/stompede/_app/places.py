"""Where clients connect: for the catalogue, and for those who ask where this node is."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

import structlog

from stompede.messaging.catalogue import server_entry
from stompede.server.settings import Settings

log = structlog.get_logger("stompede.serve")

_SECURE: Final = ("https", "wss")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - read, not bound


def websocket_url(settings: Settings, base_url: str) -> str:
    """The WebSocket URL of a node: the setting ``public_url``, or its first endpoint below ``base_url``."""
    if settings.public_url is not None:
        return settings.public_url
    base = urlsplit(base_url)
    return f"{'wss' if base.scheme in _SECURE else 'ws'}://{base.netloc}{settings.endpoints[0]}"


def warn_of_nowhere(settings: Settings, url: str) -> None:
    """Says in the log that the URL which a node made for itself from its address leads nowhere."""
    if settings.public_url is None and urlsplit(url).hostname in _EVERYWHERE:
        log.warning(
            "this node listens at all addresses and cannot know by which one clients reach it: the routing table has "
            "a URL that leads nowhere; set public_url, for example to wss://live.example.org/stomp",
            url=url,
        )


def servers_of(settings: Settings, base_url: str) -> dict[str, dict[str, Any]]:
    """The servers of an AsyncAPI document, by name: the setting ``public_url``, or each endpoint below ``base_url``."""
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        return {"public": server_entry(public.netloc, public.path or "/", secure=public.scheme == "wss")}
    base = urlsplit(base_url)
    secure = base.scheme in _SECURE
    return {
        re.sub(r"[^\w.-]+", "-", path.strip("/")) or "root": server_entry(base.netloc, path, secure=secure)
        for path in settings.endpoints
    }
