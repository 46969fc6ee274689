"""What one node has another one do.

An order goes by the bus, on the channel of the node that can do it. Nobody answers: who gives it knows that the bus
took it. A node that has died meanwhile has no sessions any more either.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, assert_never, final

import msgspec
import structlog

from stompede.messaging.message import Message
from stompede.messaging.problem import Problem
from stompede.server.draining import DrainOrder
from stompede.server.fanout.probing import channel_of_node
from stompede.server.fanout.publication import Publication
from stompede.server.session import connected

if TYPE_CHECKING:
    from stompede.server.node import Node

log = structlog.get_logger("stompede.node")


class CloseSession(msgspec.Struct, frozen=True, rename="camel", tag_field="do", tag="close-session"):
    """Close a session.

    Attributes:
        id: of the session.
    """

    id: str


class CloseUser(msgspec.Struct, frozen=True, rename="camel", tag_field="do", tag="close-user"):
    """Close all sessions of a member.

    Attributes:
        name: of the member.
    """

    name: str


Order = DrainOrder | CloseSession | CloseUser
_decode: Final = msgspec.json.Decoder(Order).decode


class Closing(msgspec.Struct, frozen=True):
    """What became of sessions that were to be closed.

    Attributes:
        closed: sessions of this node, which were closed.
        told: sessions of other nodes, which were told to close them.
    """

    closed: int = 0
    told: int = 0

    @property
    def total(self) -> int:
        """Here and elsewhere."""
        return self.closed + self.told


@final
class Orders:
    """Gives orders to other nodes, and does what they order.

    Args:
        node: the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node

    def obey(self, body: bytes) -> None:
        """Does what another node says."""
        try:
            order: Order = _decode(body)
        except msgspec.DecodeError as error:
            log.warning("an order that nobody understands", reason=str(error))
            return
        match order:
            case DrainOrder():
                self._node.drain.begin(order)
            case CloseSession(id=session_id):
                connected.close(self._node, session_id)
            case CloseUser(name=name):
                connected.close_user(self._node, name)
            case _:
                assert_never(order)

    async def drain(self, node_id: str, order: DrainOrder) -> None:
        """Drains a node, this one or another.

        Raises:
            Problem: ``not-found``: no such node is alive.
            BusError: it could not be told.
        """
        node = self._node
        if node_id == node.id:
            node.drain.begin(order)
            return
        if node_id not in {each.id for each in await node.gateway.nodes()}:
            raise Problem("not-found", f"no node {node_id} is alive; `stompede nodes` lists them")
        await self._give(node_id, order)

    async def close_session(self, session_id: str) -> Closing:
        """Closes a session, on whatever node.

        Raises:
            BusError: the registry cannot be read, or its node could not be told.
        """
        node = self._node
        if connected.close(node, session_id):
            return Closing(closed=1)
        if not node.backends.shared:
            return Closing()
        record = await node.backends.registry.find(session_id, now=node.unix_now())
        if record is None or record.node_id == node.id:
            return Closing()
        await self._give(record.node_id, CloseSession(session_id))
        return Closing(told=1)

    async def close_user(self, name: str) -> Closing:
        """Closes all sessions of a member, those of this node first.

        Raises:
            BusError: the registry cannot be read, or a node could not be told.
        """
        closed = connected.close_user(self._node, name)
        held = Counter(record.node_id for record in await connected.elsewhere(self._node, name))
        for node_id in held:
            await self._give(node_id, CloseUser(name))
        return Closing(closed, held.total())

    async def _give(self, node_id: str, order: Order) -> None:
        channel = channel_of_node(node_id)
        message = Message(channel, msgspec.json.encode(order))
        taken = self._node.bus.publish(channel, Publication(message))
        if taken is not None:
            await taken
