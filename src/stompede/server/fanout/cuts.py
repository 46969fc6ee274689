"""Ends of those who take their messages too slowly, a few in one turn of the loop.

Clients that read nothing reach their bound together: a thousand of them within some ticks. To end a session takes a
fraction of a millisecond (ERROR, close frame, registry, a line of the log), so that everybody else would notice many at
once. What waits for them is given up at once, and nothing more goes out to them; the rest takes its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, final

from stompede.server.fanout.outbox import Outbox

_OF_A_TURN: Final = 8


@final
class Cuts:
    """See the module.

    Args:
        call_soon: the loop's ``call_soon``.
    """

    __slots__ = ("_call_soon", "_due")

    def __init__(self, call_soon: Callable[[Callable[[], None]], Any]) -> None:
        self._call_soon = call_soon
        self._due: deque[Callable[[], None]] = deque()

    def add(self, outboxes: Iterable[Outbox]) -> None:
        """Gives up what waits in outboxes; their sessions end now, or soon where there are many."""
        idle = not self._due
        for outbox in outboxes:
            self._due.append(outbox.on_overflow)
            outbox.close()
        if idle and self._due:
            self._run()

    def _run(self) -> None:
        due = self._due
        try:
            for _ in range(min(len(due), _OF_A_TURN)):
                try:
                    due[0]()  # it stays the first meanwhile, so that what it causes does not run into this
                finally:
                    due.popleft()
        finally:
            if due:
                self._call_soon(self._run)
