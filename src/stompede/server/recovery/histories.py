"""Destinations with history on this node: how their messages get positions, and whether any is missing.

A message gets its position from the store, and then travels on the bus with it. What the bus brings is checked: a
destination that somebody here subscribes to is *watched*, that is, the node remembers the newest position that it
delivered. The next one must follow. Where it does not, the bus has lost something or two nodes have overtaken each
other: what is missing is read from the store and delivered first. Where the store no longer has it, the subscribers
are told, so that nobody takes a gap for the truth.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, final

import msgspec
import structlog

from stompede._traceback import traceback_of
from stompede.bus import Bus
from stompede.errors import StompedeError
from stompede.messaging.message import Message, size_of
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.publication import Publication
from stompede.store import History, HistoryStore, Page, Position

log = structlog.get_logger("stompede.histories")
_MOST_FILLED: Final = 10_000
_MOST_HELD: Final = 10_000
_CHECKED_AT_ONCE: Final = 100
_CHECK_PAUSE_S: Final = 0.01  # between so many, while all are checked

Store = HistoryStore[Message]


class HistoriesStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """What `Histories.statistics` tells.

    Attributes:
        watched: destinations with history and subscribers here.
        gaps: times that the bus brought something that did not follow.
        filled: messages read from the history to fill gaps.
        repeated: messages that the bus brought again; they were not delivered again.
        lost: gaps that could not be filled; the subscribers were told.
    """

    watched: int
    gaps: int
    filled: int
    repeated: int
    lost: int


class _Watch:
    """A destination with subscribers here.

    Attributes:
        last: the newest position that was delivered; ``None`` until it is known.
        held: what came while a gap is being filled.
    """

    __slots__ = ("held", "last")

    def __init__(self) -> None:
        self.last: Position | None = None
        self.held: list[Publication] | None = None


async def _guarded(coro: Coroutine[Any, Any, None]) -> None:
    """What nobody waits for must not end the group that owns it."""
    try:
        await coro
    except Exception as error:
        log.error("work on a history failed", exception=traceback_of(error))


@final
class Histories:
    """See the module.

    Args:
        store: keeps the messages.
        bus: where publications go.
        hub: delivers them.
        now: the node's clock.
        lost: told of a destination where messages are missing that nobody has any more.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus[Publication],
        hub: Hub,
        now: Callable[[], float],
        lost: Callable[[str], None],
    ) -> None:
        self.store = store
        self._bus = bus
        self._hub = hub
        self._now = now
        self._lost = lost
        self._group: asyncio.TaskGroup
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: dict[str, _Watch] = {}
        self._to_check: list[str] = []
        self._appending: dict[str, deque[tuple[Awaitable[Position], Message, asyncio.Future[None]]]] = {}
        self._gaps = self._filled = self._repeated = self._losses = 0

    def start(self, group: asyncio.TaskGroup) -> None:
        """What has to wait is run by this group from now on."""
        self._group = group

    def spawn(self, coro: Coroutine[Any, Any, None]) -> None:
        """Runs what waits for the store."""
        task = self._group.create_task(_guarded(coro))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Nothing waits for the store any more. Idempotent."""
        for task in self._tasks:
            task.cancel()

    def statistics(self) -> HistoriesStatistics:
        """Figures of now and since the start."""
        return HistoriesStatistics(len(self._watched), self._gaps, self._filled, self._repeated, self._losses)

    # Publishing.

    def publish(self, message: Message, limits: History) -> Awaitable[None] | None:
        """Gives a message its position and passes it on; ``None`` when the bus has taken it already.

        The order of positions is the order on the bus, in whatever order the awaitables are awaited.

        Raises:
            BusError: the store or the bus did not take it (also from the awaitable).
        """
        position = self.store.append(message.destination, message, size_of(message), limits, self._now())
        if isinstance(position, Position):
            if self.store.carries:
                return None
            return self._bus.publish(message.destination, Publication(message, None, str(position)))
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._appending.get(message.destination)
        if waiting is None:
            waiting = self._appending[message.destination] = deque()
            self.spawn(self._pass_on(message.destination, waiting))
        waiting.append((position, message, taken))
        return taken

    async def _pass_on(
        self, destination: str, waiting: deque[tuple[Awaitable[Position], Message, asyncio.Future[None]]]
    ) -> None:
        """One at a time: what got its position first is published first."""
        while waiting:
            appending, message, taken = waiting[0]
            try:
                position = await appending
                if not self.store.carries:
                    passed_on = self._bus.publish(destination, Publication(message, None, str(position)))
                    if passed_on is not None:
                        await passed_on
            except Exception as error:
                if not taken.done():
                    taken.set_exception(error)
                    taken.exception()  # whoever published may have gone away
            else:
                if not taken.done():
                    taken.set_result(None)
            waiting.popleft()
        del self._appending[destination]

    # Delivering.

    def position(self, destination: str) -> Position | None:
        """The newest position that was delivered here, as far as it is known."""
        watch = self._watched.get(destination)
        return None if watch is None else watch.last

    def watch(self, destination: str) -> Awaitable[None] | None:
        """Checks positions from now on. To be called before the bus is asked for the destination: then whatever was
        published in between is seen to be missing.

        Returns:
            ``None`` where `position` is known now; else an awaitable that ends when it is.
        """
        watch = self._watched.get(destination)
        if watch is None:
            watch = self._watched[destination] = _Watch()
        if watch.last is not None:
            return None
        page = self.store.last(destination, 0, self._now())
        if isinstance(page, Page):
            watch.last = page.top
            return None
        return self._learn(watch, page)

    async def _learn(self, watch: _Watch, asked: Awaitable[Page[Message]]) -> None:
        top = (await asked).top
        if watch.last is None:
            watch.last = top

    def forget(self, destination: str) -> None:
        """Nobody here subscribes to it any more."""
        self._watched.pop(destination, None)

    def follows(self, last: Position, position: Position) -> bool:
        """Whether nothing can be missing between two positions."""
        if position.epoch == last.epoch:
            return position.offset == last.offset + 1
        return position.offset == 1 and not self.store.shared

    def take(self, publication: Publication) -> None:
        """Delivers what the bus brings for a destination with history."""
        message = publication.message
        watch = self._watched.get(message.destination)
        position = None if publication.id is None else Position.parse(publication.id)
        if watch is None or position is None:
            self._hub.publish(message, publication.id)
        elif watch.held is not None:
            watch.held.append(publication)
            if len(watch.held) > _MOST_HELD:
                self._give_up(message.destination, watch)
        elif watch.last is None or self.follows(watch.last, position):
            watch.last = position
            self._hub.publish(message, publication.id)
        elif position.epoch == watch.last.epoch and position.offset <= watch.last.offset:
            self._repeated += 1
        else:
            self._gap(watch, watch.last, publication)

    def each_second(self) -> None:
        """Where nodes share a store: asks it for what came after the last delivery, some destinations at a time. Else
        what the bus lost would be noticed only when something comes after it.
        """
        if not self.store.shared:
            return
        if not self._to_check:
            self._to_check = list(self._watched)
        for destination in self._to_check[-_CHECKED_AT_ONCE:]:
            watch = self._watched.get(destination)
            if watch is not None and watch.held is None and watch.last is not None:
                self._read_on(destination, watch, watch.last, [])
        del self._to_check[-_CHECKED_AT_ONCE:]

    def check_all(self) -> None:
        """The bus may have missed something: asks the store for what came after the last delivery, everywhere."""
        if self.store.shared:
            self._to_check = list(self._watched)
            self.spawn(self._check_on())

    async def _check_on(self) -> None:
        while self._to_check:
            self.each_second()
            await asyncio.sleep(_CHECK_PAUSE_S)

    def _gap(self, watch: _Watch, last: Position, publication: Publication) -> None:
        self._gaps += 1
        self._read_on(publication.message.destination, watch, last, [publication])

    def _read_on(self, destination: str, watch: _Watch, last: Position, held: list[Publication]) -> None:
        """What came after ``last`` is read and delivered, then what was held meanwhile."""
        watch.held = held
        try:
            page = self.store.read(destination, last, _MOST_FILLED, self._now())
        except StompedeError as error:
            self._unread(destination, watch, error)
            return
        if isinstance(page, Page):
            self._fill(destination, watch, page)
        else:
            self.spawn(self._fill_later(destination, watch, page))

    async def _fill_later(self, destination: str, watch: _Watch, asked: Awaitable[Page[Message]]) -> None:
        try:
            page = await asked
        except StompedeError as error:
            self._unread(destination, watch, error)
        else:
            self._fill(destination, watch, page)

    def _unread(self, destination: str, watch: _Watch, error: StompedeError) -> None:
        log.warning("a history could not be read", destination=destination, error=str(error))
        if watch.held:
            self._give_up(destination, watch)
        else:
            watch.held = None  # nothing says that anything is missing; the next check sees

    def _fill(self, destination: str, watch: _Watch, page: Page[Message]) -> None:
        held = watch.held
        if held is None or self._watched.get(destination) is not watch:
            return
        if not page.complete:
            self._give_up(destination, watch, page.top)
            return
        for kept in page.items:
            self._filled += 1
            watch.last = kept.position
            self._hub.publish(kept.item, str(kept.position))
        first = Position.parse(held[0].id or "") if held else None
        if first is not None and watch.last is not None and not self._joins(watch.last, first):
            self._give_up(destination, watch)  # the store does not have it: to ask again would bring the same
            return
        watch.held = None
        for publication in held:
            self.take(publication)

    def _joins(self, last: Position, position: Position) -> bool:
        """Whether a publication can be taken after what was filled: it comes next, or came already."""
        return self.follows(last, position) or (
            position.epoch == last.epoch and position.offset <= last.offset
        )

    def _give_up(self, destination: str, watch: _Watch, top: Position | None = None) -> None:
        """What is missing is gone: whoever subscribes is told, and it goes on with what came after."""
        held, watch.held = watch.held, None
        self._losses += 1
        self._lost(destination)
        first = Position.parse(held[0].id or "") if held else None
        watch.last = top if first is None else Position(first.epoch, first.offset - 1)
        for publication in held or ():
            self.take(publication)
