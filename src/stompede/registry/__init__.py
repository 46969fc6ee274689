"""Who is where: for now the routing table, key to node URL.

`RoutingTable` is the contract, and says what every table promises. `MemoryRoutingTable` serves a node that is alone,
`ClockedRoutes` is its short form for who needs no compare-and-set. Another table proves itself with the suites of
`stompede.testing.contracts`.
"""

from __future__ import annotations

from stompede.registry.clocked import ClockedRoutes as ClockedRoutes
from stompede.registry.memory import MemoryRoutingTable as MemoryRoutingTable
from stompede.registry.routing import RoutingStatistics as RoutingStatistics
from stompede.registry.routing import RoutingTable as RoutingTable

__all__ = ["ClockedRoutes", "MemoryRoutingTable", "RoutingStatistics", "RoutingTable"]
