"""From a destination to what serves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, TypeVar, final

from stompede._types import NO_HEADERS
from stompede.errors import ConfigurationError
from stompede.messaging.patterns import Pattern, holds_wildcard
from stompede.messaging.trie import Trie

T = TypeVar("T")


class _Route(NamedTuple, Generic[T]):
    pattern: Pattern
    value: T
    where: str


@final
class Router(Generic[T]):
    """Finds the value of the most specific pattern that matches a destination.

    Of two patterns that match, the one whose literals include the other's wins: ``/rooms/lobby/say`` before
    ``/rooms/{room}/say``. Where neither wins, as with ``/{a}/b`` and ``/a/{b}``, the second is refused when
    it is added, so what a destination reaches never depends on the order of registration.

    Args:
        overlapping: take any patterns, also several times the same: for guards, where every match counts.
    """

    __slots__ = ("_exact", "_overlapping", "_routes", "_trie")

    def __init__(self, *, overlapping: bool = False) -> None:
        self._overlapping = overlapping
        self._routes: list[_Route[T]] = []
        self._exact: dict[str, list[_Route[T]]] = {}
        self._trie: Trie[_Route[T]] = Trie()

    def __len__(self) -> int:
        return len(self._routes)

    def __iter__(self) -> Iterator[tuple[Pattern, T]]:
        """Yields all patterns with their values, in the order in which they were added."""
        return ((route.pattern, route.value) for route in self._routes)

    def add(self, pattern: Pattern | str, value: T, where: str = "") -> None:
        """Adds a value.

        Args:
            pattern: which destinations it serves.
            value: what `match` returns for them.
            where: who adds it, for errors: ``handler say() at chat.py:15``.

        Raises:
            ConfigurationError: the pattern is malformed, or it and an earlier one match the same destination
                and neither is more specific, unless their values are equal.
        """
        if isinstance(pattern, str):
            pattern = Pattern.parse(pattern, where)
        route = _Route(pattern, value, where)
        if not self._overlapping:
            for earlier in self._routes:
                _check_ambiguity(earlier, route)
        self._routes.append(route)
        if pattern.variables:
            # the empty text before the first slash is a segment too
            self._trie.insert(("", *pattern.segments), route)
        else:
            self._exact.setdefault(pattern.text, []).append(route)

    def match(self, destination: str) -> tuple[T, Mapping[str, str]] | None:
        """Finds the most specific match.

        Returns:
            its value and what its variables stand for, or ``None``.
        """
        if (exact := self._exact.get(destination)) is not None:
            return exact[0].value, NO_HEADERS
        found = self._trie.first(destination.split("/"))
        if found is None or holds_wildcard(destination):
            return None
        (pattern, value, _), values = found
        if len(values) == 1:  # by far the most common, and a quarter of the time
            return value, {pattern.variables[0]: values[0]}
        return value, dict(zip(pattern.variables, values, strict=True))

    def all_matches(self, destination: str, *, wildcards: bool = False) -> list[tuple[T, Mapping[str, str]]]:
        """Finds every match, the most specific first.

        Args:
            destination: what to look for.
            wildcards: let variables hold wildcard characters as well. Whoever denies by patterns must, or a
                destination with a wildcard would pass unseen.
        """
        matches: list[tuple[T, Mapping[str, str]]] = [
            (route.value, NO_HEADERS) for route in self._exact.get(destination, ())
        ]
        if not wildcards and holds_wildcard(destination):
            return matches
        for route, values in self._trie.every(destination.split("/")):
            matches.append((route.value, dict(zip(route.pattern.variables, values, strict=True))))
        return matches


def _check_ambiguity(earlier: _Route[T], new: _Route[T]) -> None:
    a, b = earlier.pattern, new.pattern
    if not a.overlaps(b):
        return
    who = f"{new.where}: " if new.where else ""
    of = f" of {earlier.where}" if earlier.where else ""
    if a.segments == b.segments:
        by = f" by {earlier.where}" if earlier.where else ""
        twice = (
            f"is taken already{by}"
            if a.text == b.text
            else f'matches the same destinations as "{a.text}"{of}'
        )
        raise ConfigurationError(f'{who}pattern "{b.text}" {twice}; change one of the two')
    if earlier.value == new.value:  # whichever it is
        return
    if not a.covers(b) and not b.covers(a):
        both = "/" + "/".join(x or y or "any" for x, y in zip(a.segments, b.segments, strict=True))
        raise ConfigurationError(
            f'{who}pattern "{b.text}" and "{a.text}"{of} both match "{both}", and neither is more specific; '
            "change a literal segment of one of the two"
        )
