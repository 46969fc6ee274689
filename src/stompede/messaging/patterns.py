"""Patterns of destinations: ``/rooms/{room}/say``."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from typing import Final, final

from stompede.errors import ConfigurationError

WILDCARDS: Final = "*>#"
"""Characters that brokers read as wildcards; no path variable ever holds one."""


def holds_wildcard(destination: str) -> bool:
    """Whether a destination holds a character that some broker would read as a wildcard."""
    return "*" in destination or ">" in destination or "#" in destination


@final
class Pattern:
    """A destination with variables.

    A variable stands for one whole segment. It never matches an empty one, nor one that holds a wildcard
    character: whoever may enter ``/topic/rooms/{room}`` must not get every room by asking for
    ``/topic/rooms/*``.

    Attributes:
        text: the pattern as it was written.
        segments: what stands between the slashes; ``None`` for a variable.
        variables: names of the variables, in order.
    """

    __slots__ = ("_template", "segments", "text", "variables")

    text: Final[str]
    segments: Final[tuple[str | None, ...]]
    variables: Final[tuple[str, ...]]

    def __init__(self, text: str, segments: tuple[str | None, ...], variables: tuple[str, ...]) -> None:
        self.text = text
        self.segments = segments
        self.variables = variables
        names = iter(variables)
        self._template = "".join(
            "/" + (f"%({next(names)})s" if segment is None else segment.replace("%", "%%"))
            for segment in segments
        )

    @classmethod
    def parse(cls, text: str, where: str = "") -> Pattern:
        """Reads a pattern.

        Args:
            text: what the application wrote.
            where: who wrote it, for errors: ``handler say() at chat.py:15``.

        Raises:
            ConfigurationError: it is malformed; the sentence says how to mend it.
        """
        segments: list[str | None] = []
        variables: list[str] = []
        if not text.startswith("/"):
            raise _malformed(text, where, f"it must begin with a slash: /{text}")
        for part in text[1:].split("/"):
            name = _variable(part, text, where)
            if name is None:
                segments.append(part)
                continue
            if name in variables:
                raise _malformed(
                    text, where, f"variable {{{name}}} stands in it twice; give the second another name"
                )
            segments.append(None)
            variables.append(name)
        return cls(text, tuple(segments), tuple(variables))

    def match(self, destination: str) -> dict[str, str] | None:
        """Returns the values of the variables, or ``None`` where the destination does not match."""
        parts = destination.split("/")
        if len(parts) != len(self.segments) + 1 or parts[0] or holds_wildcard(destination):
            return None
        values: list[str] = []
        for segment, part in zip(self.segments, parts[1:], strict=True):
            if segment is None and part:
                values.append(part)
            elif segment != part:
                return None
        return dict(zip(self.variables, values, strict=True))

    def fill(self, values: Mapping[str, str]) -> str:
        """Makes the destination of values that come from a match; others of them are ignored."""
        return self._template % values if self.variables else self.text

    def overlaps(self, other: Pattern) -> bool:
        """Whether some destination matches both."""
        return len(self.segments) == len(other.segments) and all(
            a is None or b is None or a == b for a, b in zip(self.segments, other.segments, strict=True)
        )

    def covers(self, other: Pattern) -> bool:
        """Whether every destination that matches the other one matches this one as well."""
        return len(self.segments) == len(other.segments) and all(
            a is None or a == b for a, b in zip(self.segments, other.segments, strict=True)
        )

    def __repr__(self) -> str:
        return f"Pattern({self.text!r})"

    def __str__(self) -> str:
        return self.text


def _variable(part: str, text: str, where: str) -> str | None:
    if not part:
        raise _malformed(text, where, "it has an empty segment; take the doubled or last slash away")
    if holds_wildcard(part):
        raise _malformed(
            text, where, f"`{part}` holds a wildcard; write a variable, {{name}}, for one segment"
        )
    if "{" not in part and "}" not in part:
        return None
    name = part[1:-1]
    if part[0] != "{" or part[-1] != "}" or "{" in name or "}" in name:
        raise _malformed(
            text, where, f"`{part}`: a variable fills a whole segment between slashes, as in /{{name}}/"
        )
    if not name.isidentifier() or keyword.iskeyword(name):
        raise _malformed(
            text, where, f"{{{name}}} cannot be the name of an argument; use letters, digits and _"
        )
    return name


def _malformed(text: str, where: str, why: str) -> ConfigurationError:
    return ConfigurationError(f'{where}{": " if where else ""}pattern "{text}": {why}')
