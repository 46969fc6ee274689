"""Stub."""

from __future__ import annotations

from stompede.wire.stomp.versions import Version


def escape(version: Version | None, text: str) -> str:
    """Header name or value as it is written in ``version``."""
    raise NotImplementedError


def unescape(version: Version | None, text: str) -> str:
    """Header name or value as it was meant.

    Raises:
        RemoteProtocolError: it has an escape that the version does not define.
    """
    raise NotImplementedError
