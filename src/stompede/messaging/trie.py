"""A trie of destination segments: how a router finds the pattern of a destination.

Each node is one segment; a literal child is tried before the variable one. So of all patterns that match, the
one with a literal where the others have a variable comes first, read from the left. Going down greedily finds
it in nearly every case; only where a literal led into a dead end is the search with backtracking needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar, final

T = TypeVar("T")


class _Node(Generic[T]):
    __slots__ = ("literals", "values", "variable")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.variable: _Node[T] | None = None
        self.values: list[T] = []


@final
class Trie(Generic[T]):
    """Values under sequences of segments, where ``None`` is a variable."""

    __slots__ = ("_branches", "_root")

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        # Whether any node has literal children and a variable one: only then can a greedy walk miss
        # something.
        self._branches = False

    def insert(self, segments: Sequence[str | None], value: T) -> None:
        """Adds a value; several may stand under the same segments."""
        node = self._root
        for segment in segments:
            if segment is None:
                if node.variable is None:
                    node.variable = _Node()
                child = node.variable
            else:
                child = node.literals.setdefault(segment, _Node())
            self._branches = self._branches or (node.variable is not None and bool(node.literals))
            node = child
        node.values.append(value)

    def first(self, segments: Sequence[str]) -> tuple[T, list[str]] | None:
        """Finds the most specific value and what its variables stand for."""
        node = self._root
        values: list[str] = []
        for segment in segments:
            child = node.literals.get(segment)
            if child is None:
                child = node.variable
                if child is None or not segment:
                    break
                values.append(segment)
            node = child
        else:
            if node.values:
                return node.values[0], values
        return next(self.every(segments), None) if self._branches else None

    def every(self, segments: Sequence[str]) -> Iterator[tuple[T, list[str]]]:
        """Yields every value that matches, the most specific first."""
        yield from _search(self._root, segments, 0, [])


def _search(
    node: _Node[T], segments: Sequence[str], depth: int, values: list[str]
) -> Iterator[tuple[T, list[str]]]:
    if depth == len(segments):
        for value in node.values:
            yield value, values
        return
    segment = segments[depth]
    if (literal := node.literals.get(segment)) is not None:
        yield from _search(literal, segments, depth + 1, values)
    if node.variable is not None and segment:
        yield from _search(node.variable, segments, depth + 1, [*values, segment])
