"""How messages travel between nodes.

`Bus` is the contract, and says what every bus promises. `MemoryBus` serves a node that is alone. Another bus proves
itself with the suites of `stompede.testing.contracts`.
"""

from stompede.bus.base import Bus as Bus
from stompede.bus.base import BusStatistics as BusStatistics
from stompede.bus.memory import MemoryBus as MemoryBus

__all__ = ["Bus", "BusStatistics", "MemoryBus"]
