"""What happens when nothing happens: many keys, each with the same delay."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar, final

K = TypeVar("K", bound=Hashable)


@final
class Lapses(Generic[K]):
    """Keys whose delay runs. As it is the same for all, they stand in the order in which it runs out: starting anew
    costs a move to the end, looking costs what is due.

    Args:
        delay_s: the delay.
    """

    __slots__ = ("_delay_s", "_due")

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s
        self._due: dict[K, float] = {}

    def __len__(self) -> int:
        return len(self._due)

    def start(self, key: K, now: float) -> None:
        """The delay of a key runs from now."""
        self._due.pop(key, None)
        self._due[key] = now + self._delay_s

    def stop(self, key: K) -> None:
        """It does not run any more. Idempotent."""
        self._due.pop(key, None)

    def take_due(self, now: float) -> list[K]:
        """Those whose delay has run out; it runs for them no more."""
        due = []
        for key, when in self._due.items():
            if when > now:
                break
            due.append(key)
        for key in due:
            del self._due[key]
        return due
