"""The limits of the wire, as the settings say them."""

from __future__ import annotations

from stompede.server.settings import Settings
from stompede.wire import stomp


def wire_limits(settings: Settings) -> stomp.Limits:
    """What a frame of a client may have."""
    return stomp.Limits(
        max_headers=settings.max_headers,
        max_header_line_bytes=settings.max_header_line_bytes,
        max_header_block_bytes=settings.max_header_block_bytes,
        max_body_bytes=settings.max_body_bytes,
    )
