"""The endpoints of an application, made from its settings."""

from __future__ import annotations

from stompede.server.settings import Settings
from stompede.transports import Acceptor, Compressing, Rules
from stompede.transports.sockjs import Endpoints, SockJsOptions, SockJsService


def endpoints_of(settings: Settings, acceptor: Acceptor, rules: Rules) -> Endpoints:
    """One service for each of the setting ``endpoints``; all lead to the same acceptor."""
    options = SockJsOptions(
        transports=settings.sockjs_transports,
        heart_beat_s=settings.sockjs_heart_beat_s,
        disconnect_delay_s=settings.sockjs_disconnect_delay_s,
        stream_bytes=settings.sockjs_stream_bytes,
        max_post_bytes=settings.sockjs_max_post_bytes,
        max_message_bytes=settings.max_message_bytes,
        max_posts=settings.sockjs_max_posts,
        max_openings=max(1, settings.max_handshakes // 4),
        cookie=settings.sockjs_cookie,
        client_url=settings.sockjs_client_url,
    )
    # SockJS at the root would hide the application's own first page.
    websocket_only = SockJsOptions(transports=())
    return Endpoints(
        SockJsService(path, acceptor, rules, websocket_only if path == "/" else options)
        for path in settings.endpoints
    )


def compressing_of(settings: Settings) -> Compressing:
    """Which of the endpoints compress, and how."""
    return Compressing(settings.compression, settings.compression_min_bytes, settings.compression_level)
