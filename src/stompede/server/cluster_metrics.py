"""The figures of the bus and of a node among others for Prometheus; see `stompede.server.metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from stompede.server.metrics import Figure

GAUGES: Final[tuple[tuple[str, str, Figure], ...]] = (
    ("stompede_bus_channels", "Channels that this node listens to.", lambda s: s.bus.channels),
    ("stompede_bus_connected", "1 while the bus can bring something.", lambda s: s.bus.connected),
    ("stompede_bus_waiting", "Messages that the bus has not taken yet.", lambda s: s.bus.waiting),
    ("stompede_bus_waiting_bytes", "What they take.", lambda s: s.bus.waiting_bytes),
    (
        "stompede_bus_deaf",
        "1 while the bus does not bring what the node sends itself.",
        lambda s: s.probe.deaf,
    ),
    (
        "stompede_bus_round_trip_seconds",
        "How long the node's last message to itself was on its way.",
        lambda s: s.probe.round_trip_s,
    ),
    ("stompede_draining", "1 while the node takes nobody and moves its clients.", lambda s: s.drain.draining),
    (
        "stompede_registry_waiting",
        "Sessions that came or went and that the registry has not been told of.",
        lambda s: s.registry.waiting,
    ),
)

COUNTERS: Final[tuple[tuple[str, str, Figure], ...]] = (
    ("stompede_bus_published", "Messages that the bus took.", lambda s: s.bus.published),
    ("stompede_bus_delivered", "Messages that the bus brought.", lambda s: s.bus.delivered),
    ("stompede_bus_failed", "Messages that the bus refused.", lambda s: s.bus.failed),
    (
        "stompede_bus_interruptions",
        "Times that the bus may have missed messages of others.",
        lambda s: s.bus.interruptions,
    ),
    ("stompede_bus_unreadable", "What the bus brought and was no message.", lambda s: s.bus.unreadable),
    ("stompede_bus_times_deaf", "Times that the node went deaf.", lambda s: s.probe.times_deaf),
    ("stompede_moved", "Sessions that were moved to other nodes by a drain.", lambda s: s.drain.moved),
    ("stompede_aged", "Sessions that were moved because of their age.", lambda s: s.aging.moved),
    ("stompede_gateway_answered", "Clients that the gateway named a node.", lambda s: s.gateway.answered),
    ("stompede_gateway_unanswered", "Times that there was no node to name.", lambda s: s.gateway.unanswered),
    (
        "stompede_registry_failed",
        "Times that the registry did not take what it was told; it is told again.",
        lambda s: s.registry.failed,
    ),
    (
        "stompede_registry_replaced",
        "Times that the registry had lost something and was told everything.",
        lambda s: s.registry.replaced,
    ),
)
