"""Publishing: how messages of the application and of clients get onto the bus."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final, final

import msgspec

from stompede._types import NO_HEADERS
from stompede.bus import Bus
from stompede.errors import BusError, SessionClosedError
from stompede.messaging import codecs
from stompede.messaging.destinations import Kind, Prefixes, check_destination
from stompede.messaging.message import Message
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.problem import Problem
from stompede.server.fanout.further_headers import check_text, checked_headers
from stompede.server.fanout.publication import Publication
from stompede.server.fanout.user_channels import user_channel
from stompede.server.options import OptionsTable
from stompede.server.problems import Problems
from stompede.server.recovery.histories import Histories
from stompede.server.settings import Settings

Spawn = Callable[[Coroutine[Any, Any, Any], str], None]
_REMEMBERED: Final = 4096


class PublisherStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Publisher.statistics` tells. What clients send to topics is not counted here; the bus counts all.

    Attributes:
        published: publications of the application to topics and queues.
        sent_to_users: messages of the application to sessions and members.
        threadsafe_queued: publications of other threads that wait for the loop now.
        threadsafe_refused: publications of other threads refused because ``threadsafe_queue`` waited already.
        threadsafe_failed: publications of other threads that failed later; the log has them.
    """

    published: int
    sent_to_users: int
    threadsafe_queued: int
    threadsafe_refused: int
    threadsafe_failed: int


@final
class Publisher:
    """What publishes on one node. Used on its loop, but for `publish_threadsafe`.

    Args:
        settings: for the bounds.
        prefixes: of destinations.
        bus: where publications go.
        options: of destinations.
        histories: where publications to destinations with history go.
        problems: for the log.
        spawn: runs what nobody waits for.
        put: appends a message to its queue.
    """

    def __init__(
        self,
        settings: Settings,
        prefixes: Prefixes,
        bus: Bus[Publication],
        options: OptionsTable,
        histories: Histories,
        problems: Problems,
        spawn: Spawn,
        put: Callable[[Message], Awaitable[None] | None],
    ) -> None:
        self._settings = settings
        self._prefixes = prefixes
        self._bus = bus
        self._options = options
        self._histories = histories
        self._problems = problems
        self._spawn = spawn
        self._put = put
        self._checked: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()
        self._threadsafe: deque[tuple[str, Any]] = deque()
        self._threads = threading.Lock()  # so that the bound and its count hold whatever threads there are
        self._published = 0
        self._sent_to_users = 0
        self._threadsafe_refused = 0
        self._threadsafe_failed = 0

    def statistics(self) -> PublisherStatistics:
        """Figures of now and since the start."""
        return PublisherStatistics(
            self._published,
            self._sent_to_users,
            len(self._threadsafe),
            self._threadsafe_refused,
            self._threadsafe_failed,
        )

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Publications of other threads go to this loop from now on."""
        self._loop = loop
        self._thread = threading.get_ident()

    @staticmethod
    def _elsewhere() -> RuntimeError:
        return RuntimeError(
            "publish and send_to_... belong to the thread of the node; from another one use publish_threadsafe"
        )

    def publish(
        self,
        destination: str,
        value: Any,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
    ) -> Awaitable[None] | None:
        """Publishes to a topic or queue; ``None`` when the bus or the queue has taken it already.

        Raises:
            Problem: ``invalid-destination``; ``queue-full``: the queue holds as much as it may.
            ValueError, TypeError: a header that no message may have, or a content type; see `checked_headers`.
            BusError: the bus did not take it.
            RuntimeError: called on another thread.
        """
        if threading.get_ident() != self._thread:
            raise self._elsewhere()
        headers = self.check(destination, headers, content_type)
        body, own_type = codecs.encode(value)
        self._published += 1
        return self.publish_message(Message(destination, body, content_type or own_type, headers))

    def check(
        self, destination: str, headers: Mapping[str, str], content_type: str | None
    ) -> Mapping[str, str]:
        """Whether `publish` would take such a message; returns headers of its own.

        Raises:
            Problem: ``invalid-destination``.
            ValueError, TypeError: a header that no message may have, or a content type; see `checked_headers`.
        """
        if destination not in self._checked:
            self._check(destination)
            if len(self._checked) >= _REMEMBERED:
                self._checked.clear()
            self._checked.add(destination)
        if content_type is not None:
            check_text("content_type", content_type)
        return checked_headers(headers) if headers else headers

    def _check(self, destination: str) -> None:
        """Refuses what no message can go to, as for a SEND. On any thread: `check` alone remembers good names."""
        kind = self._prefixes.classify(destination)
        if kind is not Kind.TOPIC and kind is not Kind.QUEUE and kind is not Kind.TEMP:
            raise Problem(
                "invalid-destination",
                f"{destination!r} is no topic and no queue; publish to {self._prefixes.topic}/... "
                f"or {self._prefixes.queue}/..., "
                "and use send_to_user or send_to_session for user destinations",
            )
        check_destination(destination, max_length=self._settings.max_destination_bytes)
        if self._prefixes.is_nameless(destination):
            raise Problem("invalid-destination", f"{destination} names nothing: a name follows the prefix")
        if holds_wildcard(destination):
            raise Problem(
                "invalid-destination",
                f"{destination}: a message goes to one destination, without wildcards (* > #)",
            )

    def publish_message(self, message: Message) -> Awaitable[None] | None:
        """Publishes a message as it is."""
        if self._prefixes.is_queued(message.destination):
            return self._put(message)
        history = self._options.of(message.destination).history
        if history is not None and self._prefixes.classify(message.destination) is Kind.TOPIC:
            return self._histories.publish(message, history)
        return self._bus.publish(message.destination, Publication(message))

    def send_to(
        self,
        kind: Kind,
        principal: str,
        destination: str,
        value: Any,
        headers: Mapping[str, str],
        content_type: str | None = None,
    ) -> Awaitable[None] | None:
        """Sends to one session or to all sessions of a member, on whatever node they are.

        Args:
            kind: `Kind.SESSION` or `Kind.USER`.
            principal: id of the session, or name of the member.
            destination: what follows the prefix, for example ``/queue/offers``.
            value: the body.
            headers: headers of the message.
            content_type: instead of the one that ``value`` suggests.

        Raises:
            Problem: ``invalid-destination``.
            ValueError, TypeError: a header that no message may have, or a content type.
            BusError: the bus did not take it.
            RuntimeError: called on another thread.
        """
        if threading.get_ident() != self._thread:
            raise self._elsewhere()
        full, headers = self.check_user(kind, destination, headers, content_type)
        body, own_type = codecs.encode(value)
        self._sent_to_users += 1
        publication = Publication(Message(full, body, content_type or own_type, headers), principal)
        return self._bus.publish(user_channel(self._prefixes, kind, principal), publication)

    def check_user(
        self, kind: Kind, destination: str, headers: Mapping[str, str], content_type: str | None
    ) -> tuple[str, Mapping[str, str]]:
        """Whether `send_to` would take such a message; returns the whole destination, and headers of its own.

        Raises:
            Problem: ``invalid-destination``.
            ValueError, TypeError: a header that no message may have, or a content type.
        """
        prefix = self._prefixes.session if kind is Kind.SESSION else self._prefixes.user
        full = f"{prefix}{destination}"
        check_destination(full, max_length=self._settings.max_destination_bytes)
        if not destination.startswith("/"):
            raise Problem("invalid-destination", f"{destination!r} does not begin with a slash")
        if content_type is not None:
            check_text("content_type", content_type)
        return full, checked_headers(headers) if headers else headers

    def publish_threadsafe(self, destination: str, value: Any) -> None:
        """Publishes from another thread. Does not wait; what the bus refuses later is logged.

        Raises:
            Problem: ``invalid-destination``.
            BusError: ``threadsafe_queue`` publications wait already.
            SessionClosedError: the node does not run.
        """
        if destination not in self._checked:
            self._check(destination)
        with self._threads:
            if len(self._threadsafe) >= self._settings.threadsafe_queue:
                self._threadsafe_refused += 1
                raise BusError(
                    f"{self._settings.threadsafe_queue} publications of other threads wait already "
                    "(threadsafe_queue)"
                )
            self._threadsafe.append((destination, value))
            try:
                if self._loop is None:
                    raise RuntimeError
                self._loop.call_soon_threadsafe(self._publish_from_threads)
            except RuntimeError:
                self._threadsafe.pop()  # it was refused: nobody may publish it later
                raise SessionClosedError(
                    "the node does not run: publish while the application runs"
                ) from None

    def _publish_from_threads(self) -> None:
        while self._threadsafe:
            destination, value = self._threadsafe.popleft()
            try:
                taken = self.publish(destination, value)
            except Exception as error:
                self._threadsafe_failed += 1
                self._problems.log_failure(None, error, destination, "publish_threadsafe failed")
                continue
            if taken is not None:
                self._spawn(self._wait(taken), "publish_threadsafe failed")

    async def _wait(self, taken: Awaitable[None]) -> None:
        try:
            await taken
        except Exception:
            self._threadsafe_failed += 1
            raise
