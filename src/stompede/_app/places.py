"""Where clients connect, for the catalogue."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from stompede.messaging.catalogue import server_entry
from stompede.server.settings import Settings


def servers_of(settings: Settings, base_url: str) -> dict[str, dict[str, Any]]:
    """The servers of an AsyncAPI document, by name: the setting ``public_url``, or each endpoint below ``base_url``."""
    if settings.public_url is not None:
        public = urlsplit(settings.public_url)
        return {"public": server_entry(public.netloc, public.path or "/", secure=public.scheme == "wss")}
    base = urlsplit(base_url)
    secure = base.scheme in ("https", "wss")
    return {
        re.sub(r"[^\w.-]+", "-", path.strip("/")) or "root": server_entry(base.netloc, path, secure=secure)
        for path in settings.endpoints
    }
