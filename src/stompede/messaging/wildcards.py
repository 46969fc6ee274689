"""Wildcards in topic subscriptions: one subscription, many destinations.

Clients of three families write them, and each means its own kind of level. What follows the topic prefix is read level
by level: between slashes if it holds a slash (Spring: ``/topic/rooms/*``), else between dots (RabbitMQ, ActiveMQ:
``/topic/stocks.*``). The name of a destination is read as the wildcard is. A name that holds a slash has no levels
between dots; of the wildcards without a slash only those that mean everything, like ``/topic/>``, match it.

=========== ==========================================================================
``*``       exactly one level, which is not empty
``#  **``   any number of levels, none too: RabbitMQ's and Spring's, wherever they stand
``>``       the same, only at the end: ActiveMQ's rest
=========== ==========================================================================

In the middle any number of levels means that a name may match in several ways. They are followed all at once, level by
level, never one after the other: so the work is bounded by the levels of both, whatever a client writes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final, Generic, TypeVar, final

from stompede.messaging.patterns import Pattern, holds_wildcard
from stompede.messaging.problem import Problem

T = TypeVar("T")

MAX_LEVELS: Final = 32
"""Of a wildcard: each costs some hundred bytes, and nobody needs more."""

_ONE: Final = "*"
_REST: Final = ">"
_MANY: Final = ("#", "**")
_RESTS: Final = (*_MANY, _REST)


@final
class Wildcard:
    """A destination with wildcards.

    Attributes:
        text: the destination as the client wrote it.
        literal: what every destination that it matches begins with.
        in_several_ways: whether it has any number of levels before its end, so that a name may match in several ways.
    """

    __slots__ = ("_levels", "_prefix", "_rest", "_slashes", "in_several_ways", "literal", "text")

    text: Final[str]
    literal: Final[str]
    in_several_ways: Final[bool]

    def __init__(
        self, text: str, prefix: str, levels: Sequence[str], rest: str | None, slashes: bool
    ) -> None:
        self.text = text
        self._prefix = prefix
        self._levels = tuple(levels)
        self.in_several_ways = any(level in _MANY for level in levels)
        self._rest = rest
        self._slashes = slashes
        self.literal = self._common_beginning()

    @classmethod
    def parse(cls, text: str, prefix: str) -> Wildcard:
        """Reads a destination that holds a wildcard.

        Args:
            text: the whole destination.
            prefix: of topics, which it begins with.

        Raises:
            Problem: ``invalid-destination``; the sentence says how to mend it.
        """
        name = text[len(prefix) + 1 :]
        slashes = "/" in name
        levels = name.split("/" if slashes else ".")
        if len(levels) > MAX_LEVELS:
            raise Problem("invalid-destination", f"{text}: a wildcard may have {MAX_LEVELS} levels")
        rest = levels.pop() if levels[-1] in _RESTS else None
        for level in levels:
            if level == _REST:
                raise Problem(
                    "invalid-destination",
                    f"{text}: `{level}` stands for all levels that follow, so it can only be the last one; "
                    "write `*` for one level, `#` for any number of them",
                )
            if level not in (_ONE, *_MANY) and holds_wildcard(level):
                raise Problem(
                    "invalid-destination",
                    f"{text}: a wildcard stands for a whole level between {'slashes' if slashes else 'dots'}, and "
                    f"`{level}` is a part of one",
                )
        return cls(text, prefix, _simplest(levels, rest), rest, slashes)

    def _common_beginning(self) -> str:
        separator = "/" if self._slashes else "."
        literals = list(takewhile(lambda level: level not in (_ONE, *_MANY), self._levels))
        beginning = f"{self._prefix}/{separator.join(literals)}"
        further = any(level not in _MANY for level in self._levels[len(literals) :])
        # Without a further level that must be there, a name may end here.
        return beginning + separator if literals and further else beginning

    def matches(self, destination: str) -> bool:
        """Whether a destination, which holds no wildcard itself, is one of those that are meant."""
        if not destination.startswith(f"{self._prefix}/"):
            return False
        name = destination[len(self._prefix) + 1 :]
        if self._slashes:
            return self._match(name.split("/"))
        if "/" in name:
            return not self._levels
        return self._match(name.split("."))

    def _match(self, parts: Sequence[str]) -> bool:
        if self.in_several_ways:
            return _reach(self._all_levels(), parts)[-1][-1]
        missing = len(parts) - len(self._levels)
        if missing < 0 or (missing > 0 and self._rest is None):
            return False
        return all(
            bool(part) if level == _ONE else level == part
            for level, part in zip(self._levels, parts, strict=False)
        )

    def overlap(self, pattern: Pattern) -> dict[str, str] | None:
        """Whether some destination matches both this and a pattern.

        Returns:
            ``None`` where none does; else for each variable of the pattern what the wildcard has in its place: a
            level as it is written, ``*`` among them; the wildcard of the rest, where the variable falls into that;
            the whole name with its dots, since a variable fills what stands between two slashes.
        """
        prefix = self._prefix[1:].split("/")
        name = self.text[len(self._prefix) + 1 :]
        segments = pattern.segments
        if self.in_several_ways and self._slashes:
            return _overlap_of_many([*prefix, *self._all_levels()], pattern)
        if self._slashes:
            head, least = [*prefix, *self._levels], 0
        elif self._levels:
            last = segments[-1]
            if len(segments) != len(prefix) + 1 or (last is not None and not self._match(last.split("."))):
                return None
            head, least = [*prefix, name if last is None else last], 0
        else:
            head, least = prefix, 1
        further = len(segments) - len(head)
        if further < least or (further > 0 and self._rest is None):
            return None
        values = []
        for level, segment in zip(head, segments, strict=False):
            if segment is None and level:
                values.append(level)
            elif segment is None or level not in (_ONE, segment):
                return None
        values += [self._rest or "" for segment in segments[len(head) :] if segment is None]
        return dict(zip(pattern.variables, values, strict=True))

    def _all_levels(self) -> list[str]:
        return [*self._levels, *([] if self._rest is None else [self._rest])]

    def __repr__(self) -> str:
        return f"Wildcard({self.text!r})"

    def path(self) -> tuple[bool, tuple[str, ...], str | None]:
        """Whether its levels stand between slashes; the levels before the rest; the wildcard of the rest, if any."""
        return self._slashes, self._levels, self._rest


def _simplest(levels: Sequence[str], rest: str | None) -> list[str]:
    """Levels without those that change nothing: any number of them beside another any number, or before the rest."""
    needed: list[str] = []
    for level in levels:
        if level not in _MANY or not needed or needed[-1] not in _MANY:
            needed.append(level)
    if rest is not None and needed and needed[-1] in _MANY:
        needed.pop()
    return needed


def _falls_on(level: str, part: str | None) -> bool:
    """Whether one level stands for a part of a name; ``None`` is any that is not empty."""
    if part is None or level == _ONE:
        return bool(level if part is None else part)
    return level == part


def _reach(levels: Sequence[str], parts: Sequence[str | None]) -> list[list[bool]]:
    """How far levels reach: ``[j][i]`` says whether the first i of them can stand for the first j parts."""
    row = [True]
    for level in levels:
        row.append(row[-1] and level in _RESTS)
    rows = [row]
    for part in parts:
        last, row = row, [False]
        for number, level in enumerate(levels):
            if level in _RESTS:
                row.append(row[number] or last[number + 1])
            else:
                row.append(last[number] and _falls_on(level, part))
        rows.append(row)
    return rows


def _overlap_of_many(levels: Sequence[str], pattern: Pattern) -> dict[str, str] | None:
    """`Wildcard.overlap` where levels may fall on the segments in several ways. A variable that is something else in
    each of them is any number of levels: so a guard is never asked for less than the wildcard brings.
    """
    segments = pattern.segments
    before = _reach(levels, segments)
    if not before[-1][-1]:
        return None
    after = [row[::-1] for row in _reach(levels[::-1], segments[::-1])][::-1]

    def can_be(number: int, place: int) -> bool:
        if levels[number] in _RESTS:
            return any(row[number] for row in before[: place + 1]) and any(
                row[number + 1] for row in after[place + 1 :]
            )
        return _falls_on(levels[number], None) and before[place][number] and after[place + 1][number + 1]

    any_number = next(level for level in levels if level in _MANY)
    values = []
    for place, segment in enumerate(segments):
        if segment is None:
            found = {level for number, level in enumerate(levels) if can_be(number, place)}
            values.append(found.pop() if len(found) == 1 else any_number)
    return dict(zip(pattern.variables, values, strict=True))


class _Node(Generic[T]):
    __slots__ = ("exact", "literals", "loops", "many", "one", "rest")

    def __init__(self, *, loops: bool = False) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.one: _Node[T] | None = None
        self.many: _Node[T] | None = None
        # Whether it stands behind any number of levels: then it stays where it is, whatever level comes.
        self.loops = loops
        # Values under the text of their wildcard: `#`, `**` and `>` mean the same, and may all be there.
        self.exact: dict[str, T] = {}
        self.rest: dict[str, T] = {}

    def values(self, rest: str | None) -> dict[str, T]:
        return self.exact if rest is None else self.rest

    def child(self, level: str) -> _Node[T]:
        if level in _MANY:
            if self.many is None:
                self.many = _Node(loops=True)
            return self.many
        if level != _ONE:
            return self.literals.setdefault(level, _Node())
        if self.one is None:
            self.one = _Node()
        return self.one

    def drop_child(self, level: str) -> None:
        if level in _MANY:
            self.many = None
        elif level == _ONE:
            self.one = None
        else:
            del self.literals[level]

    def __bool__(self) -> bool:
        children = self.literals or self.one is not None or self.many is not None
        return bool(children or self.exact or self.rest)


@final
class WildcardTrie(Generic[T]):
    """A value for each of many wildcards; found by the destinations that they match.

    A look-up goes down level by level with all nodes that are still possible, so it costs at most as many steps as
    there are nodes, and nothing for wildcards that begin otherwise.

    Args:
        prefix: of topics.
    """

    __slots__ = ("_dots", "_length", "_of_many", "_skip", "_slashes")

    def __init__(self, prefix: str) -> None:
        self._of_many = 0
        self._skip = len(prefix) + 1
        self._slashes: _Node[T] = _Node()
        self._dots: _Node[T] = _Node()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def insert(self, wildcard: Wildcard, value: T) -> None:
        """Adds the value of a wildcard that has none yet."""
        slashes, levels, rest = wildcard.path()
        node = self._slashes if slashes else self._dots
        for level in levels:
            node = node.child(level)
        node.values(rest)[wildcard.text] = value
        self._length += 1
        self._of_many += wildcard.in_several_ways

    def remove(self, wildcard: Wildcard) -> None:
        """Takes a wildcard away, and what is needed for nothing else."""
        slashes, levels, rest = wildcard.path()
        path = [self._slashes if slashes else self._dots]
        for level in levels:
            path.append(path[-1].child(level))
        del path[-1].values(rest)[wildcard.text]
        self._length -= 1
        self._of_many -= wildcard.in_several_ways
        for level in reversed(levels):
            if path.pop():
                return
            path[-1].drop_child(level)

    def matching(self, destination: str) -> list[T]:
        """The values of all wildcards that match a destination, which is a topic without wildcards."""
        name = destination[self._skip :]
        if "/" in name:
            return [*self._dots.rest.values(), *self._matching(self._slashes, name.split("/"))]
        return self._matching(self._dots, name.split(".")) + self._matching(self._slashes, [name])

    def _matching(self, root: _Node[T], levels: Sequence[str]) -> list[T]:
        several_ways = self._of_many > 0  # only then a node is reached more than once
        found: list[dict[str, T]] = []
        nodes = [root]
        for level in levels:
            if several_ways:
                nodes = _with_none_of_many(nodes)
            further: list[_Node[T]] = []
            for node in nodes:
                found.append(node.rest)
                if (literal := node.literals.get(level)) is not None:
                    further.append(literal)
                if node.one is not None and level:
                    further.append(node.one)
                if node.loops:
                    further.append(node)
            nodes = further
            if not nodes:
                break
        for node in _with_none_of_many(nodes) if several_ways else nodes:
            found += (node.exact, node.rest)
        if several_ways:
            found = list({id(one): one for one in found}.values())
        return [value for one in found for value in one.values()]


def _with_none_of_many(nodes: Sequence[_Node[T]]) -> list[_Node[T]]:
    """Nodes, each once, and those behind them that are reached where any number of levels is none."""
    reached = dict.fromkeys(nodes)
    for node in nodes:
        if node.many is not None:  # never two of them, one behind the other
            reached[node.many] = None
    return list(reached)
