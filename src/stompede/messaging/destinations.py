"""Destinations: what their prefixes mean, and which are well-formed."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, final

from stompede.errors import ConfigurationError
from stompede.messaging.patterns import WILDCARDS as WILDCARDS
from stompede.messaging.problem import Problem

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Kind(Enum):
    """What a destination is, by its prefix."""

    APP = "app"  # served by a handler
    TOPIC = "topic"  # every subscriber gets each message
    QUEUE = "queue"  # one consumer gets each message
    TEMP = "temp"  # a queue that ends with its session
    SESSION = "session"  # only the session itself
    USER = "user"  # every session of the session's principal
    UNKNOWN = "unknown"


@final
class Prefixes:
    """The prefixes of destinations; all may be set.

    Args:
        app: prefixes of what handlers serve; a handler's pattern is what follows one of them.
        topic: prefix of what fans out to every subscriber.
        queue: prefix of queues.
        session: prefix of what only the one session gets.
        user: prefix of what every session of a member gets.
        temp_queue: prefix of queues that end with their session.

    Raises:
        ConfigurationError: a prefix is malformed, or one hides another.
    """

    __slots__ = ("_app_slash", "_others", "_queued", "app", "queue", "session", "temp_queue", "topic", "user")

    def __init__(
        self,
        app: tuple[str, ...] = ("/app",),
        topic: str = "/topic",
        queue: str = "/queue",
        session: str = "/session",
        user: str = "/user",
        temp_queue: str = "/temp-queue",
    ) -> None:
        self.app = tuple(app)
        self.topic = topic
        self.queue = queue
        self.session = session
        self.user = user
        self.temp_queue = temp_queue
        _check_prefixes(self.all)
        self._app_slash = tuple(f"{prefix}/" for prefix in self.app)
        self._others = (
            (f"{topic}/", Kind.TOPIC),
            (f"{queue}/", Kind.QUEUE),
            (f"{session}/", Kind.SESSION),
            (f"{user}/", Kind.USER),
            (f"{temp_queue}/", Kind.TEMP),
        )
        self._queued = (f"{queue}/", f"{temp_queue}/")

    @property
    def all(self) -> tuple[str, ...]:
        """Every prefix."""
        return *self.app, self.topic, self.queue, self.temp_queue, self.session, self.user

    def is_queued(self, destination: str) -> bool:
        """Whether messages wait there until a consumer has acknowledged them."""
        return destination.startswith(self._queued)

    @property
    def replies(self) -> str:
        """Where a session gets its answers: ``/session/queue/replies``."""
        return f"{self.session}{self.queue}/replies"

    @property
    def errors(self) -> str:
        """Where a session gets its soft errors: ``/session/queue/request-error``."""
        return f"{self.session}{self.queue}/request-error"

    def presence_of(self, topic: str) -> str:
        """The topic that tells who is on another one: ``/topic/presence/a`` for ``/topic/a``."""
        return f"{self.topic}/presence{topic[len(self.topic) :]}"

    def spoken_of(self, destination: str) -> str | None:
        """The topic whose `presence_of` a destination is; ``None`` where it does not look like one."""
        if not destination.startswith(f"{self.topic}/presence/"):
            return None
        return f"{self.topic}{destination[len(self.topic) + len('/presence') :]}"

    def classify(self, destination: str) -> Kind:
        """Says what a destination is. A prefix without a slash behind it is ``UNKNOWN``; see `is_nameless`, too."""
        if destination.startswith(self._app_slash):
            return Kind.APP
        for prefix, kind in self._others:
            if destination.startswith(prefix):
                return kind
        return Kind.UNKNOWN

    def is_nameless(self, destination: str) -> bool:
        """Whether it is a prefix and slashes, with no name behind them."""
        return not self.relative(destination).strip("/")

    def relative(self, destination: str) -> str:
        """Cuts the prefix off: ``/app/rooms/1/say`` becomes ``/rooms/1/say``; an unknown one stays."""
        for prefix in self._app_slash:
            if destination.startswith(prefix):
                return destination[len(prefix) - 1 :]
        for prefix, _ in self._others:
            if destination.startswith(prefix):
                return destination[len(prefix) - 1 :]
        return destination

    def canonical(self, destination: str) -> str:
        """Writes an application destination with the first of the application prefixes; others stay.

        Whatever decides about destinations must use it, or a second prefix would be a way around.
        """
        for prefix in self._app_slash[1:]:
            if destination.startswith(prefix):
                return f"{self.app[0]}{destination[len(prefix) - 1 :]}"
        return destination


def check_destination(destination: str, *, max_length: int) -> None:
    """Refuses what no client may name in a SEND or SUBSCRIBE.

    Args:
        destination: as the client sent it, unescaped.
        max_length: longest allowed, in bytes of UTF-8.

    Raises:
        Problem: ``invalid-destination``: it is empty, too long, or holds control characters.
    """
    if not destination:
        raise Problem("invalid-destination", "The destination is empty.")
    length = len(destination if destination.isascii() else destination.encode(errors="surrogatepass"))
    if length > max_length:
        raise Problem(
            "invalid-destination",
            f"The destination has {length} bytes; {max_length} are allowed (max_destination_bytes).",
        )
    # isprintable() is the fast answer for nearly all; it also refuses some harmless characters, so the
    # pattern decides.
    if not destination.isprintable() and _CONTROL.search(destination):
        raise Problem("invalid-destination", "The destination holds control characters.")


def _check_prefixes(prefixes: tuple[str, ...]) -> None:
    for prefix in prefixes:
        if (
            len(prefix) < 2
            or not prefix.startswith("/")
            or prefix.endswith("/")
            or "//" in prefix
            or "{" in prefix
        ):
            raise ConfigurationError(
                f"destination prefix {prefix!r}: it must look like /app: a slash, a name, no slash at the end"
            )
    for i, prefix in enumerate(prefixes):
        for other in prefixes[i + 1 :]:
            if f"{other}/".startswith(f"{prefix}/") or f"{prefix}/".startswith(f"{other}/"):
                raise ConfigurationError(
                    f"destination prefixes {prefix} and {other}: one hides the other; choose different names"
                )
