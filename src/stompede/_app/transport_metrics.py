"""The figures of the transports for Prometheus; those of the node are in `stompede.server.metrics`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from stompede.transports import Compressing, CompressionStatistics, TlsHandshakes
from stompede.transports.sockjs import Endpoints, SockJsStatistics

_SOCKJS: Final[tuple[tuple[str, str, Callable[[SockJsStatistics], int]], ...]] = (
    ("stompede_sockjs_sessions", "SockJS sessions over HTTP, by endpoint.", lambda s: s.sessions),
    (
        "stompede_sockjs_waiting",
        "Of those, sessions with no request that waits for messages.",
        lambda s: s.waiting,
    ),
    ("stompede_sockjs_websockets", "SockJS sessions over WebSocket, by endpoint.", lambda s: s.websockets),
)

_SOCKJS_COUNTERS: Final[tuple[tuple[str, str, Callable[[SockJsStatistics], int]], ...]] = (
    (
        "stompede_sockjs_posts_refused",
        "Requests refused because sockjs_max_posts of their session were there already.",
        lambda s: s.posts_refused,
    ),
    (
        "stompede_sockjs_crowded_out",
        "Sessions that began, went no further and ended for newer ones, a quarter of max_handshakes being there.",
        lambda s: s.crowded_out,
    ),
)

_COMPRESSION: Final[tuple[tuple[str, str, Callable[[CompressionStatistics], int]], ...]] = (
    (
        "stompede_compression_connections",
        "Handshakes that agreed on permessage-deflate.",
        lambda s: s.connections,
    ),
    (
        "stompede_compression_frames",
        "Compressed frames made, each for all that get the same bytes.",
        lambda s: s.frames,
    ),
    (
        "stompede_compression_plain_frames",
        "Frames for clients that compress made as they are: short, or not shorter by it.",
        lambda s: s.plain,
    ),
    ("stompede_compression_payload_bytes", "Bytes of compressed frames, before.", lambda s: s.payload_bytes),
    ("stompede_compression_packed_bytes", "Bytes of compressed frames, after.", lambda s: s.packed_bytes),
    ("stompede_compression_runs", "Times that something was compressed.", lambda s: s.deflated),
    (
        "stompede_decompression_messages",
        "Messages that clients compressed.",
        lambda s: s.inflated.messages,
    ),
    (
        "stompede_decompression_packed_bytes",
        "Bytes of messages that clients compressed, as they came.",
        lambda s: s.inflated.packed_bytes,
    ),
    (
        "stompede_decompression_inflated_bytes",
        "Bytes of messages that clients compressed, as they were read.",
        lambda s: s.inflated.inflated_bytes,
    ),
    (
        "stompede_decompression_bombs",
        "Compressed messages refused because they became more than max_message_bytes.",
        lambda s: s.inflated.bombs,
    ),
)


@final
class TransportCollector(Collector):
    """Reads the figures of the transports at each scrape.

    Args:
        endpoints: whose SockJS.
        compressing: whose permessage-deflate.
        handshakes: of TLS, on all ports.
    """

    def __init__(self, endpoints: Endpoints, compressing: Compressing, handshakes: TlsHandshakes) -> None:
        self._endpoints = endpoints
        self._compressing = compressing
        self._handshakes = handshakes

    def collect(self) -> Iterable[Metric]:
        """See `Collector`."""
        endpoints = [(service.path, service.statistics()) for service in self._endpoints]
        for name, meaning, figure in _SOCKJS:
            family = GaugeMetricFamily(name, meaning, labels=["endpoint"])
            for path, statistics in endpoints:
                family.add_metric([path], figure(statistics))
            yield family
        for name, meaning, figure in _SOCKJS_COUNTERS:
            counter = CounterMetricFamily(name, meaning, labels=["endpoint"])
            for path, statistics in endpoints:
                counter.add_metric([path], figure(statistics))
            yield counter
        compression = self._compressing.statistics()
        for name, meaning, count in _COMPRESSION:
            yield CounterMetricFamily(name, meaning, value=count(compression))
        handshakes = self._handshakes
        yield GaugeMetricFamily(
            "stompede_tls_handshakes", "TLS handshakes that go on.", value=handshakes.running
        )
        yield CounterMetricFamily(
            "stompede_tls_handshakes_failed", "TLS handshakes that failed.", value=handshakes.failed
        )
