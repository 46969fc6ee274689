"""What a node shares with others, or has for itself where it is alone."""

from __future__ import annotations

from dataclasses import dataclass

from stompede.bus import Bus
from stompede.messaging.message import Message
from stompede.registry import PresenceTable, SessionRegistry
from stompede.server.fanout.publication import Publication
from stompede.store import HistoryStore, QueueStore


@dataclass(frozen=True)
class Backends:
    """What a node is joined with. The application makes it, from what the settings say; the node starts and closes the
    bus and the stores.

    Attributes:
        node_id: id of the node, new at every start.
        bus: brings publications to all nodes.
        history: keeps what destinations carried.
        queues: keeps what waits for consumers.
        presence: where all nodes say who is on which destination.
        registry: which nodes there are, and which sessions they serve.
        shared: whether other nodes are there.
    """

    node_id: str
    bus: Bus[Publication]
    history: HistoryStore[Message]
    queues: QueueStore[Message]
    presence: PresenceTable
    registry: SessionRegistry
    shared: bool = False
