"""Which nodes there are, and which sessions each of them serves: the contract of the session registry.

The promises stand with `SessionRegistry`; `stompede.testing.contracts` has the suites that check each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class NodeInfo(msgspec.Struct, frozen=True):
    """What a node tells of itself, and what clients are sent to nodes by.

    Attributes:
        id: ``{start in ms}/{uuid4}``, new at every start.
        url: WebSocket URL at which its clients connect.
        version: of its program.
        region: where it stands, by a name of the operator's; ``""``: nobody said.
        sessions: how many it serves.
        cpu: what it uses of a core, 0 to 1.
        draining: whether it takes no new sessions and moves its clients away.
        ready: whether it can serve; a node that hears nothing from the bus cannot.
        place: latitude and longitude in degrees, where they were set.
    """

    id: str
    url: str
    version: str = ""
    region: str = ""
    sessions: int = 0
    cpu: float = 0.0
    draining: bool = False
    ready: bool = True
    place: tuple[float, float] | None = None


class SessionEntry(msgspec.Struct, frozen=True, gc=False):
    """A session, as its node reports it.

    Attributes:
        id: of the session.
        connected_at: seconds of the Unix epoch.
        user: name of the member; ``None``: not logged in.
    """

    id: str
    connected_at: float
    user: str | None = None


class SessionRecord(msgspec.Struct, frozen=True, gc=False):
    """A session, as everybody reads it.

    Attributes:
        node_id: the node that serves it.
        session_id: of the session.
        connected_at: seconds of the Unix epoch, to the millisecond; ``None`` where another program wrote what is no
            time of UTC.
        principal: unique name of the session's principal: the id of the session, where Stompede wrote it.
        member: id of the member, where the member's name is a number.
    """

    node_id: str
    session_id: str
    connected_at: float | None
    principal: str
    member: int | None = None


class SessionPage(msgspec.Struct, frozen=True):
    """A part of a node's sessions.

    Attributes:
        records: the sessions, in no order.
        after: where to go on; ``None``: that was the last part.
    """

    records: list[SessionRecord]
    after: str | None


class SessionRegistryStatistics(msgspec.Struct, frozen=True):
    """What a registry did so far, for this node.

    Attributes:
        written: sessions that entered or left.
        replaced: sessions written in one piece with all others of the node.
        buried: dead nodes whose sessions it took out.
    """

    written: int
    replaced: int
    buried: int


class SessionRegistry(Protocol):
    """The nodes that are alive, and their sessions. Nothing in it asks a node.

    A node begins with `refresh`, which says ``False``, and `replace`. From then on it tells with `update` who entered
    and who left, in batches with a number each, one call at a time, and refreshes its life.

    Every registry promises:

    - **A node has a life**, which ends by itself ``ttl_s`` after the last `refresh`. From that moment on it and its
      sessions are as if they had never been there, for every reader. What it left behind is taken out by another
      node's `refresh`, or goes by itself soon after.
    - **A loss is seen.** Updates are numbered one after another. `refresh` says ``False``, and `update` takes nothing,
      when what is there is not what the last number left: the registry began anew, lost its last moment, or a key.
      The node then says everything with `replace`. Until then readers may see a part.
    - **Each call takes effect as a whole** for readers of a session; an update of more than some hundreds, in parts.
      `replace` takes effect in one moment, however many sessions there are.
    - **Saying it again changes nothing.** Who does not know whether an update took effect says it again under its
      number, with whatever else happened meanwhile.
    - **Time is passed in.** A registry in the node's own memory goes by it alone; one behind a server may go by that
      server's clock instead, and then takes only ``ttl_s`` from the caller.

    A *shared* registry is one for many nodes, and promises besides that what one node wrote, every other one sees with
    its next call.
    """

    async def refresh(self, node: NodeInfo, *, ttl_s: float, batch: int, now: float) -> bool:
        """Begin a node's life, or let it go on.

        Args:
            node: what it tells of itself now.
            ttl_s: its life from now, seconds; more than 0.
            batch: the number of the last `update` or `replace` that it knows to be taken; 0: none.
            now: seconds of the Unix epoch.

        Returns:
            Whether all that the node said until then is there. ``False``: it is to `replace` it.
        """
        ...

    async def update(
        self,
        node_id: str,
        entered: Sequence[SessionEntry],
        left: Sequence[SessionEntry],
        *,
        batch: int,
        now: float,
    ) -> bool:
        """Take sessions that left and that entered since the last batch, in this order: one whose member is another now
        left as it was and entered as it is.

        Args:
            node_id: which node.
            entered: who entered.
            left: who left, as they had entered.
            batch: the number of the last one and 1; or that of the last one, if it is said again.
            now: seconds of the Unix epoch.

        Returns:
            Whether it was taken. ``False``: the node has no life, or something is missing; it is to `refresh` and to
            `replace`.
        """
        ...

    async def replace(
        self, node_id: str, sessions: Sequence[SessionEntry], *, batch: int, now: float
    ) -> bool:
        """Take all sessions of a node instead of those that are there.

        Returns:
            Whether it was taken. ``False``: the node has no life.
        """
        ...

    async def end(self, node_id: str, *, now: float) -> None:
        """End a node's life now: it and its sessions are gone."""
        ...

    async def nodes(self, *, now: float) -> list[NodeInfo]:
        """The nodes that are alive, in no order."""
        ...

    async def sessions(
        self, node_id: str, *, after: str | None = None, limit: int = 100, now: float
    ) -> SessionPage:
        """A part of a node's sessions; none where it is dead.

        Args:
            node_id: which node.
            after: where the last part ended; ``None``: from the beginning.
            limit: about how many.
            now: seconds of the Unix epoch.

        Returns:
            The part. Of all parts together every session that was there all the time is in at least one.
        """
        ...

    async def sessions_of(self, user: str, *, limit: int = 100, now: float) -> list[SessionRecord]:
        """At most ``limit`` sessions of a member, on whatever nodes. It costs a look at each node's entry, however many
        sessions there are.
        """
        ...

    async def find(self, session_id: str, *, now: float) -> SessionRecord | None:
        """A session by its id, on whatever node, or ``None``. It costs what `sessions_of` costs."""
        ...

    async def count(self, *, now: float) -> int:
        """How many sessions all nodes serve."""
        ...

    def statistics(self) -> SessionRegistryStatistics:
        """Figures since the start; never waits."""
        ...

    async def aclose(self) -> None:
        """Disconnect; lives go on until they end. Idempotent."""
        ...
