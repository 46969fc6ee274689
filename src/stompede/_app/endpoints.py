"""The endpoints of an application, made from its settings, and their figures."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stompede.server.settings import Settings
from stompede.transports import Acceptor, Rules
from stompede.transports.sockjs import Endpoints, SockJsOptions, SockJsService, SockJsStatistics

_GAUGES: Final[tuple[tuple[str, str, Callable[[SockJsStatistics], int]], ...]] = (
    ("stompede_sockjs_sessions", "SockJS sessions over HTTP, by endpoint.", lambda s: s.sessions),
    (
        "stompede_sockjs_waiting",
        "Of those, sessions with no request that waits for messages.",
        lambda s: s.waiting,
    ),
    ("stompede_sockjs_websockets", "SockJS sessions over WebSocket, by endpoint.", lambda s: s.websockets),
)


def endpoints_of(settings: Settings, acceptor: Acceptor, rules: Rules) -> Endpoints:
    """One service for each of the setting ``endpoints``; all lead to the same acceptor."""
    options = SockJsOptions(
        transports=settings.sockjs_transports,
        heart_beat_s=settings.sockjs_heart_beat_s,
        disconnect_delay_s=settings.sockjs_disconnect_delay_s,
        stream_bytes=settings.sockjs_stream_bytes,
        max_post_bytes=settings.sockjs_max_post_bytes,
        max_message_bytes=settings.max_message_bytes,
        cookie=settings.sockjs_cookie,
        client_url=settings.sockjs_client_url,
    )
    # SockJS at the root would hide the application's own first page.
    websocket_only = SockJsOptions(transports=())
    return Endpoints(
        SockJsService(path, acceptor, rules, websocket_only if path == "/" else options)
        for path in settings.endpoints
    )


@final
class SockJsCollector(Collector):
    """Figures of the endpoints for Prometheus.

    Args:
        endpoints: whose.
    """

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints

    def collect(self) -> Iterable[Metric]:
        """Reads the figures of now."""
        figures = [(service.path, service.statistics()) for service in self._endpoints]
        for name, meaning, figure in _GAUGES:
            family = GaugeMetricFamily(name, meaning, labels=["endpoint"])
            for path, statistics in figures:
                family.add_metric([path], figure(statistics))
            yield family
