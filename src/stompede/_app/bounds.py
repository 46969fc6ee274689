"""What an application may say of histories and queues."""

from __future__ import annotations

from stompede.errors import ConfigurationError
from stompede.messaging.destinations import Kind, Prefixes, check_destination
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.problem import Problem
from stompede.store import History, Queue

_AT_LEAST_ONE = ("max_messages", "max_bytes", "max_deliveries")
_WHEN_FULL = ("refuse", "drop-oldest")


def check_history(where: str, history: History, kind: Kind) -> None:
    """Holds a history to what it can be.

    Raises:
        ConfigurationError: it keeps nothing, or is not of a topic.
    """
    if kind is not Kind.TOPIC:
        raise ConfigurationError(
            f"{where}: only topics have a history; a queue keeps its messages until they are taken"
        )
    if history.count < 1 or history.size_bytes < 1 or (history.age_s is not None and history.age_s <= 0):
        raise ConfigurationError(f"{where}: {history} keeps nothing; each bound is more than 0")


def check_queue(where: str, pattern: str, queue: Queue, prefixes: Prefixes, max_destination: int) -> None:
    """Holds the bounds of a queue to what they can be.

    Raises:
        ConfigurationError: one of them cannot be meant.
    """
    for name in _AT_LEAST_ONE:
        bound = getattr(queue, name)
        if not isinstance(bound, int) or bound < 1:
            raise ConfigurationError(f"{where}: {name}={bound!r}: it is a whole number, at least 1")
    if queue.ttl_s is not None and not (isinstance(queue.ttl_s, (int, float)) and queue.ttl_s > 0):
        raise ConfigurationError(
            f"{where}: ttl_s={queue.ttl_s!r}: it is more than 0 seconds, or None for any time"
        )
    if queue.full not in _WHEN_FULL:
        known = " or ".join(map(repr, _WHEN_FULL))
        raise ConfigurationError(f"{where}: full={queue.full!r}: it is {known}")
    if queue.dead_letters is not None:
        _check_letters(where, pattern, queue.dead_letters, prefixes, max_destination)


def _check_letters(where: str, pattern: str, letters: str, prefixes: Prefixes, max_destination: int) -> None:
    where = f"{where}: dead_letters={letters!r}"
    if prefixes.classify(letters) is not Kind.QUEUE or prefixes.is_nameless(letters):
        raise ConfigurationError(f"{where} is no queue; begin it with {prefixes.queue}/ and a name")
    if letters == pattern:
        raise ConfigurationError(f"{where} is the queue itself; its letters need one of their own")
    if holds_wildcard(letters) or "{" in letters:
        raise ConfigurationError(f"{where} is no single queue; name one, without wildcards and variables")
    try:
        check_destination(letters, max_length=max_destination)
    except Problem as problem:
        raise ConfigurationError(f"{where}: {problem.detail}") from None
