"""The topics of a node that are wildcards: which of them a message is for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.problem import Problem
from stompede.messaging.wildcards import WildcardTrie
from stompede.server.fanout.topics import Topic
from stompede.wire import stomp

if TYPE_CHECKING:
    from stompede.server.session.session import Session

_REMEMBERED: Final = 4096
_OF_THE_PAST: Final = ("recover-from", "history-last")


def check_wildcard(session: Session, wildcard: str, head: stomp.Head) -> None:
    """Refuses a wildcard subscription that asks for too much.

    Args:
        session: who subscribes.
        wildcard: to what.
        head: of the SUBSCRIBE.

    Raises:
        Problem: ``invalid-header``, where it asks for the past; ``rate-limited``, beyond
            ``max_wildcard_subscriptions``.
    """
    for name in _OF_THE_PAST:
        if name in head.headers:
            raise Problem(
                "invalid-header",
                f"{name}: a wildcard has no history, each of its destinations has its own; subscribe to {wildcard} "
                "without that header, or to the destinations by their names",
            )
    most = session.node.settings.max_wildcard_subscriptions
    if sum(holds_wildcard(one.destination) for one in session.subscriptions.values()) >= most:
        raise Problem(
            "rate-limited", f"a session may have {most} wildcard subscriptions (max_wildcard_subscriptions)"
        )


@final
class WildcardTopics:
    """Finds the wildcards that match a destination; remembered for some thousand destinations, until wildcards come
    or go.

    Args:
        prefix: of topics.

    Attributes:
        looked_up: destinations that were not remembered.
    """

    __slots__ = ("_beginning", "_known", "_trie", "looked_up", "prefix")

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.looked_up = 0
        self._beginning = f"{prefix}/"
        self._trie: WildcardTrie[Topic] = WildcardTrie(prefix)
        self._known: dict[str, tuple[Topic, ...]] = {}

    def __len__(self) -> int:
        return len(self._trie)

    def add(self, topic: Topic) -> None:
        """A wildcard has its first subscriber."""
        assert topic.wildcard is not None
        self._trie.insert(topic.wildcard, topic)
        self._known.clear()

    def remove(self, topic: Topic) -> None:
        """A wildcard has none any more."""
        assert topic.wildcard is not None
        self._trie.remove(topic.wildcard)
        self._known.clear()

    def matching(self, destination: str) -> tuple[Topic, ...]:
        """The topics that a message to a destination is for, besides the one of its own name."""
        found = self._known.get(destination)
        if found is None:
            self.looked_up += 1
            found = tuple(self._trie.matching(destination)) if destination.startswith(self._beginning) else ()
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[destination] = found
        return found
