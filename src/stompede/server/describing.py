"""Who a node is, for other nodes."""

from __future__ import annotations

import uuid
from importlib import metadata
from typing import TYPE_CHECKING

from stompede.registry import NodeInfo

if TYPE_CHECKING:
    from stompede.server.node import Node


def new_node_id(unix_now: float) -> str:
    """An id that no node ever had: ``{start in ms}/{uuid4}``."""
    return f"{int(unix_now * 1000)}/{uuid.uuid4()}"


def node_info(node: Node) -> NodeInfo:
    """What other nodes and the gateway know of a node."""
    settings = node.settings
    return NodeInfo(
        id=node.id,
        url=node.url(),
        version=metadata.version("stompede"),
        region=settings.region,
        sessions=len(node.sessions),
        cpu=round(node.ticker.cpu, 3),
        draining=node.drain.draining or not node.accepting,
        ready=node.ready,
        place=settings.place,
    )
