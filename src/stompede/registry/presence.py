"""Who is on a destination: the contract of the presence table.

The promises stand with `PresenceTable`; `stompede.testing.contracts` has the suites that check each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec


class Enter(msgspec.Struct, frozen=True, gc=False):
    """A member is on a destination through this node.

    Attributes:
        destination: where.
        user: name of the member.
        info: what is told of it, opaque to the table.
    """

    destination: str
    user: str
    info: bytes = b"null"


class Leave(msgspec.Struct, frozen=True, gc=False):
    """A member is on a destination through this node no more.

    Attributes:
        destination: where.
        user: name of the member.
    """

    destination: str
    user: str


class Guests(msgspec.Struct, frozen=True, gc=False):
    """How many anonymous sessions of this node are on a destination, whatever was said before.

    Attributes:
        destination: where.
        count: how many; 0 or more.
    """

    destination: str
    count: int


Change = Enter | Leave | Guests
"""What a node reports."""


class Counts(msgspec.Struct, frozen=True, gc=False):
    """How many are on a destination, through all nodes.

    Attributes:
        members: members, each of them once.
        guests: anonymous sessions.
    """

    members: int = 0
    guests: int = 0

    @property
    def everybody(self) -> int:
        """Members and guests."""
        return self.members + self.guests


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What a change, or the end of a node's life, meant for a destination.

    Attributes:
        what: ``join``: the member was on the destination through no node before; ``leave``: it is through none any
            more; ``guests``: another number of guests; ``none``: nothing that anybody has to be told; ``full``: the
            table has no room, and the member is not in it.
        destination: where.
        counts: how many are there after it.
        user: name of the member; ``None`` for guests.
        info: what is told of the member; of who left, what was told last.
    """

    what: Literal["join", "leave", "guests", "none", "full"]
    destination: str
    counts: Counts
    user: str | None = None
    info: bytes = b"null"


class Here(msgspec.Struct, frozen=True, gc=False):
    """A member that is on a destination.

    Attributes:
        user: name of the member.
        info: what is told of it.
    """

    user: str
    info: bytes = b"null"


class PresenceTableStatistics(msgspec.Struct, frozen=True):
    """What a presence table holds and did so far.

    Attributes:
        entries: members times destinations times nodes that it holds; ``None`` where counting is not cheap.
        refused: entries refused because the table was full, by this node.
        expired: entries of dead nodes that this node took out.
    """

    entries: int | None
    refused: int
    expired: int


class PresenceTable(Protocol):
    """Members and guests of destinations, as the nodes that they are connected to report them.

    Each node says of each destination which members are there through it, however many sessions of each it holds, and
    how many guests. A member may be there through several nodes: it joins with the first and leaves with the last.

    Every presence table promises:

    - **Each change is atomic** on its destination, against every other change of every node. Of all nodes exactly one
      is told of a ``join``, and exactly one of the ``leave``. An update as a whole need not be atomic; its changes take
      effect in their order.
    - **Saying it again changes nothing.** Who does not know whether an update took effect, because it failed or was
      cancelled, sends it again: an `Enter` of who is there, a `Leave` of who is not, and a number of guests that is
      the same have the outcome ``none``. An `Enter` may change what is told of a member; the newest of all counts.
    - **A node has a life**, which ends by itself ``ttl_s`` after the last `refresh`. What a dead node left behind is
      taken out by `expire`, which any node may call; each departure is told to exactly one caller. Until then it may
      still be counted. `update` of a node without life changes nothing.
    - **Time is passed in.** A table in the node's own memory goes by it alone; one behind a server may go by that
      server's clock instead, and then takes only ``ttl_s`` from the caller.
    - **Counting is cheap**: `count`, and the counts of an outcome, cost the same with ten members and with a million.
      `members` costs what it returns.
    - **The number of entries is bounded.** When the bound is reached, a new one is ``full``; nobody else's is dropped.
      Guests are numbers, and no entries.

    A *shared* table is one for many nodes, and promises besides that what one node changed, every other one sees with
    its next call.
    """

    async def refresh(self, node_id: str, *, ttl_s: float, now: float) -> bool:
        """Begin a node's life, or let it go on.

        Args:
            node_id: which node.
            ttl_s: its life from now, seconds; more than 0.
            now: seconds of the Unix epoch.

        Returns:
            Whether the node was alive, and with it all that it had entered. ``False``: what it had entered may be gone;
            it is to enter everything again.
        """
        ...

    async def update(self, node_id: str, changes: Sequence[Change], *, now: float) -> list[Outcome] | None:
        """Take changes of a node.

        Returns:
            One outcome for each, in their order. ``None`` where the node has no life: nothing was changed.
        """
        ...

    async def members(self, destination: str, *, limit: int, now: float) -> list[Here]:
        """At most ``limit`` members of a destination, in no order; each once."""
        ...

    async def count(self, destination: str, *, now: float) -> Counts:
        """How many are on a destination."""
        ...

    async def expire(self, *, limit: int, now: float) -> list[Outcome]:
        """Take out what dead nodes left behind, at most ``limit`` entries of it; the rest with the next calls.

        Returns:
            Who left by that: outcomes ``leave`` and ``guests``.
        """
        ...

    def statistics(self) -> PresenceTableStatistics:
        """Figures of now and since the start; never waits."""
        ...

    async def aclose(self) -> None:
        """Disconnect; lives go on until they end. Idempotent."""
        ...
