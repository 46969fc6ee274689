"""What the log has heard of one session already, so that a client cannot fill it.

A line costs a hundred times as much as the frame that caused it. So of each kind there is one line a second, which
says how many were left out since the one before it; the line of the session's end has those that no other line told of.
"""

from __future__ import annotations

from typing import Final, final

MAX_KINDS: Final = 64
"""Kinds that are told apart; further ones count as one."""
_OTHER: Final = ""
_NEVER: Final = (-1, "", 0)


@final
class Repeats:
    """The lines of one session."""

    __slots__ = ("_kinds",)

    def __init__(self) -> None:
        # Of each kind the second of its last line, the name of that, and how many were left out since.
        self._kinds: dict[str, tuple[int, str, int]] = {}

    def line(self, kind: str, name: str, now: float) -> tuple[str, int | None]:
        """Whether something is told now.

        Args:
            kind: what it is.
            name: what its line can be found by.
            now: seconds of any one clock.

        Returns:
            What to look for in the log, ``name`` or that of the line in whose second it fell; and how many of its kind
            were left out before it, ``None`` where it is left out itself.
        """
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            kind = _OTHER
        second, told, left_out = self._kinds.get(kind, _NEVER)
        if second == int(now):
            self._kinds[kind] = second, told, left_out + 1
            return told, None
        self._kinds[kind] = int(now), name, 0
        return name, left_out

    def left_out(self) -> int:
        """How many were left out that no line has told of."""
        return sum(left_out for _, _, left_out in self._kinds.values())
