"""Who is where: for now the routing table, key to node URL, in memory."""

from __future__ import annotations

from stompede.registry.clocked import ClockedRoutes as ClockedRoutes
from stompede.registry.memory import MemoryRoutingTable as MemoryRoutingTable
from stompede.registry.routing import RoutingStatistics as RoutingStatistics
from stompede.registry.routing import RoutingTable as RoutingTable

__all__ = ["ClockedRoutes", "MemoryRoutingTable", "RoutingStatistics", "RoutingTable"]
