"""How messages travel between nodes."""

from stompede.bus.base import Bus as Bus
from stompede.bus.base import BusStatistics as BusStatistics
from stompede.bus.memory import MemoryBus as MemoryBus

__all__ = ["Bus", "BusStatistics", "MemoryBus"]
