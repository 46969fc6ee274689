"""Who is where: the routing table, key to node URL, and the presence table, destination to members.

`RoutingTable` and `PresenceTable` are the contracts, and say what every table promises. `MemoryRoutingTable` and
`MemoryPresenceTable` serve a node that is alone; `ClockedRoutes` is the short form of a routing table for who needs no
compare-and-set. Another table proves itself with the suites of `stompede.testing.contracts`.
"""

from __future__ import annotations

from stompede.registry.clocked import ClockedRoutes as ClockedRoutes
from stompede.registry.memory import MemoryRoutingTable as MemoryRoutingTable
from stompede.registry.presence import Change as Change
from stompede.registry.presence import Counts as Counts
from stompede.registry.presence import Enter as Enter
from stompede.registry.presence import Guests as Guests
from stompede.registry.presence import Here as Here
from stompede.registry.presence import Leave as Leave
from stompede.registry.presence import Outcome as Outcome
from stompede.registry.presence import PresenceTable as PresenceTable
from stompede.registry.presence import PresenceTableStatistics as PresenceTableStatistics
from stompede.registry.presence_memory import MemoryPresenceTable as MemoryPresenceTable
from stompede.registry.routing import RoutingStatistics as RoutingStatistics
from stompede.registry.routing import RoutingTable as RoutingTable

__all__ = [
    "Change",
    "ClockedRoutes",
    "Counts",
    "Enter",
    "Guests",
    "Here",
    "Leave",
    "MemoryPresenceTable",
    "MemoryRoutingTable",
    "Outcome",
    "PresenceTable",
    "PresenceTableStatistics",
    "RoutingStatistics",
    "RoutingTable",
]
