"""How far a subscription has read, over all its connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

from stompede.store import Position


@final
class Track:
    """The position of a subscription in a destination with history.

    There a ``message-id`` is a position. Only the ``position`` header on the RECEIPT of the SUBSCRIBE says that it is
    one: ids elsewhere may look alike.

    Args:
        acknowledged: whether its messages are acknowledged. Then one may come again on purpose, and what was not
            answered when the connection is lost has not been read.
    """

    __slots__ = ("_acknowledged", "_asked", "_begun", "_last", "_positional")

    def __init__(self, *, acknowledged: bool = False) -> None:
        self._acknowledged = acknowledged
        self._last: Position | None = None
        self._positional = False
        self._asked = False
        self._begun = False

    @property
    def positional(self) -> bool:
        """Whether the server can fill gaps."""
        return self._positional and self._last is not None

    def subscribe(self, headers: dict[str, str]) -> None:
        """A SUBSCRIBE with these headers goes out: it asks for what was missed, where that is known."""
        if self.positional:
            headers["recover-from"] = str(self._last)
            headers.pop("history-last", None)
        self._asked = "recover-from" in headers
        self._begun = False

    def accept(self, message_id: str) -> bool:
        """Takes note of a message; ``False`` where it came before."""
        position = Position.parse(message_id)
        last = self._last
        self._begun = True
        if (
            self._positional
            and position is not None
            and last is not None
            and position.epoch == last.epoch
            and position.offset <= last.offset
        ):
            return self._acknowledged
        self._last = position
        return True

    def rewind(self, ids: Iterable[str]) -> None:
        """The connection is lost, and these messages were not answered: they, and what came after them, come again."""
        for each in ids:
            position, last = Position.parse(each), self._last
            if position is not None and last is not None and position.epoch == last.epoch:
                self._last = Position(last.epoch, min(last.offset, position.offset - 1))

    def confirmed(self, headers: Mapping[str, str]) -> bool:
        """The RECEIPT of the SUBSCRIBE came.

        Returns:
            Whether it gave all that was asked for.
        """
        position = Position.parse(headers.get("position", ""))
        self._positional = position is not None
        # Without anything that came already, what comes now follows this position.
        if not self._begun:
            self._last = position
        return not self._asked or headers.get("recovered") == "true"
