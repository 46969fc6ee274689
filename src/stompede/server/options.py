"""What an application says of a destination beyond its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

import msgspec

from stompede.errors import ConfigurationError
from stompede.messaging.routing import Router
from stompede.server.fanout.policies import Cut, SlowPolicy
from stompede.store import History, Queue

_REMEMBERED: Final = 4096


class DestinationOptions(msgspec.Struct, frozen=True):
    """What ``app.destination`` says of the destinations of one pattern.

    Attributes:
        slow: what a subscriber that reads too slowly meets.
        history: what is kept of its past; ``None``: nothing.
        presence: whether it is known who is subscribed.
        queue: bounds of a queue; of a topic only its ``max_deliveries`` means something, to subscribers that
            acknowledge.
    """

    slow: SlowPolicy = Cut()
    history: History | None = None
    presence: bool = False
    queue: Queue = Queue()


PLAIN: Final = DestinationOptions()
"""Of a destination that the application says nothing of."""


@final
class OptionsTable:
    """The options of every destination, found once and remembered; at most some thousand are.

    Args:
        patterns: what the application said, by pattern.

    Raises:
        ConfigurationError: dead letters would go round in a circle.
    """

    __slots__ = ("_known", "_match", "_patterns")

    def __init__(self, patterns: Router[DestinationOptions]) -> None:
        self._patterns = patterns
        self._match: Callable[[str], tuple[DestinationOptions, object] | None] = patterns.match
        self._known: dict[str, DestinationOptions] = {}
        self._check_dead_letters()

    def _check_dead_letters(self) -> None:
        """Follows letters to their end. A queue that is its own dead letters, as those of all queues are, is one."""
        for _, options in self._patterns:
            path: list[str] = []
            letters = options.queue.dead_letters
            while letters is not None and letters not in path:
                path.append(letters)
                following = self.of(letters).queue.dead_letters
                letters = None if following == letters else following
            if letters is not None:
                circle = " to ".join((*path[path.index(letters) :], letters))
                raise ConfigurationError(
                    f"dead letters go from {circle}, and round again; give one of them no dead_letters of its own"
                )

    def of(self, destination: str) -> DestinationOptions:
        """The options of a destination."""
        if not len(self._patterns):
            return PLAIN
        options = self._known.get(destination)
        if options is None:
            found = self._match(destination)
            options = PLAIN if found is None else found[0]
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[destination] = options
        return options

    def policy_of(self, destination: str) -> SlowPolicy:
        """What a subscriber that reads too slowly meets there."""
        return self.of(destination).slow
