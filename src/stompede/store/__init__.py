"""What a node keeps of messages: histories of destinations, and queues whose messages wait for a consumer."""

from __future__ import annotations

from stompede.store.history import HistoryStatistics as HistoryStatistics
from stompede.store.history import HistoryStore as HistoryStore
from stompede.store.history import Kept as Kept
from stompede.store.history import Page as Page
from stompede.store.history import Position as Position
from stompede.store.limits import History as History
from stompede.store.limits import Queue as Queue
from stompede.store.memory_history import MemoryHistory as MemoryHistory

__all__ = [
    "History",
    "HistoryStatistics",
    "HistoryStore",
    "Kept",
    "MemoryHistory",
    "Page",
    "Position",
    "Queue",
]
