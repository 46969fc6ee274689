"""Members whose last subscription to a destination has ended, and who may come back in time."""

from __future__ import annotations

from typing import Final, final

MAX_GRACES: Final = 100_000
"""Graces of a node; who leaves beyond it leaves at once."""


@final
class Graces:
    """The graces of one node, in the order of their ends: all are equally long.

    Args:
        most_of_one: graces of one member at once, on all destinations; so nobody takes those of others.
    """

    def __init__(self, most_of_one: int) -> None:
        self._most_of_one = most_of_one
        self._ends: dict[tuple[str, str], float] = {}
        self._of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._ends)

    def begin(self, destination: str, user: str, until: float) -> bool:
        """A member may come back until then; false where there is no room for one more."""
        if len(self._ends) >= MAX_GRACES or self._of.get(user, 0) >= self._most_of_one:
            return False
        self._ends[destination, user] = until
        self._of[user] = self._of.get(user, 0) + 1
        return True

    def came_back(self, destination: str, user: str) -> None:
        """A member is on a destination again, if it had left at all."""
        if self._ends.pop((destination, user), None) is not None:
            self._count_down(user)

    def take_over(self, now: float, most: int) -> list[tuple[str, str]]:
        """Takes out those whose time is over, at most so many: destinations and members."""
        over: list[tuple[str, str]] = []
        for key, until in self._ends.items():
            if until > now or len(over) >= most:
                break
            over.append(key)
        for key in over:
            del self._ends[key]
            self._count_down(key[1])
        return over

    def _count_down(self, user: str) -> None:
        left = self._of[user] - 1
        if left:
            self._of[user] = left
        else:
            del self._of[user]
