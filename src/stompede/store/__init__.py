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
from stompede.store.memory_queues import MemoryQueues as MemoryQueues
from stompede.store.queues import Entry as Entry
from stompede.store.queues import Length as Length
from stompede.store.queues import QueueStore as QueueStore
from stompede.store.queues import QueueStoreStatistics as QueueStoreStatistics
from stompede.store.queues import Refusal as Refusal
from stompede.store.queues import Refused as Refused
from stompede.store.queues import Taken as Taken

__all__ = [
    "Entry",
    "History",
    "HistoryStatistics",
    "HistoryStore",
    "Kept",
    "Length",
    "MemoryHistory",
    "MemoryQueues",
    "Page",
    "Position",
    "Queue",
    "QueueStore",
    "QueueStoreStatistics",
    "Refusal",
    "Refused",
    "Taken",
]
