"""Where messages end that nobody will acknowledge: in the dead letters of their queue, or in a line of the log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, final

import structlog
from msgspec.structs import replace

from stompede.messaging.message import Message
from stompede.server.options import OptionsTable
from stompede.store.queues import QueueStore, Refusal, Refused

if TYPE_CHECKING:
    from stompede.server.queues.queues import Queues

log = structlog.get_logger("stompede.queues")

EXPIRED: Final = "expired"
MAX_DELIVERIES: Final = "max-deliveries"
_LINE_EVERY_S: Final = 10.0  # a crowd of messages may die at once
_NO_LETTERS: Final = "a dead message was dropped, because its queue has no dead letters"
_FULL: Final = "a dead message was dropped, because dead letters are full"
_NO_ROOM: Final = "a dead message was dropped, because there is no room for more in the queues of the node"


@final
class DeadMessages:
    """The dead of the queues of one node.

    Args:
        queues: those queues.
        options: what the application says of queues.
        store: where messages stand.
        now: seconds of the Unix epoch.
    """

    def __init__(
        self, queues: Queues, options: OptionsTable, store: QueueStore[Message], now: Callable[[], float]
    ) -> None:
        self._queues = queues
        self._options = options
        self._store = store
        self._now = now
        self._told_at: dict[str, float] = {}
        self._untold: dict[str, int] = {}

    def bury(self, queue: str, message_id: str, message: Message, deliveries: int, reason: str) -> None:
        """A message ends here; where the queue has dead letters, it goes there in the same step."""
        counts = self._queues.counts
        if reason == EXPIRED:
            counts.expired += 1
        else:
            counts.dead += 1
        grave = self._options.of(queue).queue.dead_letters
        if grave is None or grave == queue:  # as the dead letters of all queues are by their own options
            if reason != EXPIRED:
                self._tell(_NO_LETTERS, queue, grave)
            self._forget(queue, message_id)
            return
        epitaph = {
            "dead-letter-origin": queue, "dead-letter-reason": reason, "delivery-count": str(deliveries),
        }  # fmt: skip
        letter = Message(grave, message.body, message.content_type, {**message.headers, **epitaph})
        entry = replace(self._queues.entry(letter), asked_for=True)
        outcome = self._store.append((entry,), ((queue, message_id),), now=self._now())
        if isinstance(outcome, Awaitable):
            later = self._buried_later(outcome, queue, message_id)
            self._queues.spawn(later, "a dead message could not be moved")
        else:
            self._buried(outcome, queue, message_id)

    async def _buried_later(self, outcome: Awaitable[Refused | None], queue: str, message_id: str) -> None:
        self._buried(await outcome, queue, message_id)

    def _buried(self, refused: Refused | None, queue: str, message_id: str) -> None:
        if refused is None:
            self._queues.counts.buried += 1
            return
        self._tell(_FULL if refused.why is Refusal.FULL else _NO_ROOM, queue, refused.queue)
        self._forget(queue, message_id)

    def _forget(self, queue: str, message_id: str) -> None:
        self._queues.wait(self._store.settle(queue, [message_id]), "a dead message could not be settled")

    def _tell(self, what: str, queue: str, letters: str | None) -> None:
        """A warning now and then, with how many there were."""
        self._untold[what] = self._untold.get(what, 0) + 1
        now = self._now()
        if now < self._told_at.get(what, 0) + _LINE_EVERY_S:
            return
        self._told_at[what] = now
        log.warning(what, queue=queue, letters=letters, dropped=self._untold.pop(what))
