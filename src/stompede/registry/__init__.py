"""Who is where: the routing table, key to node URL; the presence table, destination to members; and the session
registry, node to sessions.

`RoutingTable`, `PresenceTable` and `SessionRegistry` are the contracts, and say what each promises. `Memory...` serve a
node that is alone, those of `stompede.registry.redis` many nodes. `ClockedRoutes` is the short form of a routing table
for who needs no compare-and-set; `SessionReporter` tells a registry of one node's sessions. Another implementation
proves itself with the suites of `stompede.testing.contracts`.
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
from stompede.registry.session_reporting import ReporterStatistics as ReporterStatistics
from stompede.registry.session_reporting import SessionReporter as SessionReporter
from stompede.registry.sessions import NodeInfo as NodeInfo
from stompede.registry.sessions import SessionEntry as SessionEntry
from stompede.registry.sessions import SessionPage as SessionPage
from stompede.registry.sessions import SessionRecord as SessionRecord
from stompede.registry.sessions import SessionRegistry as SessionRegistry
from stompede.registry.sessions import SessionRegistryStatistics as SessionRegistryStatistics
from stompede.registry.sessions_memory import MemorySessionRegistry as MemorySessionRegistry

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
    "MemorySessionRegistry",
    "NodeInfo",
    "Outcome",
    "PresenceTable",
    "PresenceTableStatistics",
    "ReporterStatistics",
    "RoutingStatistics",
    "RoutingTable",
    "SessionEntry",
    "SessionPage",
    "SessionRecord",
    "SessionRegistry",
    "SessionRegistryStatistics",
    "SessionReporter",
]
