"""What happens to a destination's messages when one of its subscribers reads too slowly."""

from __future__ import annotations

import msgspec


class Cut(msgspec.Struct, frozen=True, tag="disconnect"):
    """Close the session with ``slow-consumer``: nothing is lost silently. The default."""


class DropOldest(msgspec.Struct, frozen=True, tag="drop-oldest"):
    """Drop the oldest waiting messages of the destination's kind; counted."""


class Conflate(msgspec.Struct, frozen=True, tag="conflate"):
    """Keep only the newest waiting message per key: right for positions.

    Attributes:
        by: name of a message header whose value is the key within a destination; by default one destination
            is one key.
    """

    by: str | None = None


SlowPolicy = Cut | DropOldest | Conflate
