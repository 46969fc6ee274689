"""The state diagram of a STOMP conversation, as SVG, drawn from the table that the code walks."""

from __future__ import annotations

from html import escape
from typing import Final

from stompede.wire.stomp.states import TRANSITIONS, State

# Where each state stands. A state that is missing here fails the build of the documentation.
_PLACES: Final = {
    State.OPEN: (90, 160),
    State.CONNECTING: (330, 160),
    State.CONNECTED: (570, 160),
    State.DISCONNECTING: (810, 160),
    State.CLOSING: (450, 310),
}
_HALF_WIDTH: Final = 68
_HALF_HEIGHT: Final = 22
_LINE: Final = 15


def state_diagram() -> str:
    """An ``<svg>`` that takes its colours from the page."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, command), after in TRANSITIONS.items():
        arrows.setdefault((state, after), []).append(command)
    parts = [
        '<svg class="states" viewBox="0 0 920 350" role="img" aria-label="States of a STOMP conversation">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        '<path d="M0 0 8 4 0 8z"/></marker></defs>',
    ]
    for (start, end), commands in arrows.items():
        parts.append(_loop(start, commands) if start is end else _arrow(start, end, commands))
    parts += [_box(state) for state in State]
    parts.append("</svg>")
    return "".join(parts)


def _box(state: State) -> str:
    x, y = _PLACES[state]
    return (
        f'<rect x="{x - _HALF_WIDTH}" y="{y - _HALF_HEIGHT}" rx="10"'
        f' width="{2 * _HALF_WIDTH}" height="{2 * _HALF_HEIGHT}"/>'
        f'<text class="state" x="{x}" y="{y + 5}">{escape(state.value)}</text>'
    )


def _arrow(start: State, end: State, commands: list[str]) -> str:
    (x1, y1), (x2, y2) = _PLACES[start], _PLACES[end]
    if y1 == y2:
        x1, x2 = x1 + _HALF_WIDTH, x2 - _HALF_WIDTH
        return _line(x1, y1, x2, y2) + _words(commands, (x1 + x2) / 2, y1 - 8 - _LINE * (len(commands) - 1))
    y1, y2 = y1 + _HALF_HEIGHT, y2 - _HALF_HEIGHT
    x2 += (x1 - x2) * 0.1  # arrows that meet at one state end side by side
    return _line(x1, y1, x2, y2) + _words(commands, (x1 + x2) / 2, (y1 + y2) / 2 + 4)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="arrow" marker-end="url(#tip)" d="M{x1:.0f} {y1:.0f} {x2:.0f} {y2:.0f}"/>'


def _loop(state: State, commands: list[str]) -> str:
    """What leaves the state as it is: a list above it, two in a row."""
    x, y = _PLACES[state]
    y -= _HALF_HEIGHT
    rows = ["  ".join(commands[i : i + 2]) for i in range(0, len(commands), 2)]
    loop = f'<path class="arrow" marker-end="url(#tip)" d="M{x - 16} {y}c-6 -34 38 -34 32 -2"/>'
    return loop + _words(rows, x, y - 34 - _LINE * (len(rows) - 1))


def _words(words: list[str], x: float, y: float) -> str:
    lines = "".join(
        f'<tspan x="{x:.0f}" dy="{_LINE if i else 0}">{escape(word)}</tspan>' for i, word in enumerate(words)
    )
    return f'<text class="word" x="{x:.0f}" y="{y:.0f}">{lines}</text>'
