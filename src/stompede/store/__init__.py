"""What a node keeps of messages: histories of destinations, and queues whose messages wait for a consumer."""

from __future__ import annotations

from stompede.store.limits import History as History
from stompede.store.limits import Queue as Queue

__all__ = ["History", "Queue"]
