"""What a client decides without waiting: which frame goes out when, and whom an arriving frame concerns.

The rules:

- A frame is written at once when the connection is open, the link takes bytes, and nothing waits before it.
  Otherwise it joins the queue; so the frames of a client leave in the order of the calls.
- While a connection is being restored, or a token renewed, the courier is *held*: SEND frames wait. `release`
  subscribes what is not subscribed yet, and only then empties the queue.
- When the connection ends, frames that were written and not confirmed fail: nobody knows what became of them.
  Frames that still waited go on waiting, but for those with an `Outgoing.owner`: they are about what ended with
  the connection. Subscriptions stay.
- When the server says ``token-expired`` about a frame, it has done nothing with it. The frame is kept, and
  sent again, once, when there is a new token.

Nothing here awaits; `stompede.client.supervisor` does, and `stompede.client.client` is the face.
"""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, final

from stompede._types import NO_HEADERS
from stompede.client.changes import Changes
from stompede.client.frames import InFlight, Outgoing, Recent, SendQueue, Wire
from stompede.client.soft_errors import ENDED, EXPIRED, LOST, NO_REPLY, NOT_LOOKED_AT, read_soft_error
from stompede.client.standing import Standing
from stompede.client.tokens import TokenSource
from stompede.errors import LimitError, RequestError, SessionClosedError

logger: Final = logging.getLogger("stompede.client")


@final
class Courier:
    """See the module.

    Args:
        tokens: where the token of a frame comes from.
        queue: holds what cannot be written yet.
        report: told of soft errors that no waiting call is told of.
        changes: signalled when something changed that a task may wait for.
        may_renew: whether a new token may be fetched now, for a frame that has no one waiting.
    """

    def __init__(
        self,
        tokens: TokenSource,
        queue: SendQueue,
        *,
        report: Callable[[RequestError], None],
        changes: Changes,
        may_renew: Callable[[], bool],
    ) -> None:
        self.queue = queue
        self.in_flight = InFlight()
        self.standing: dict[str, Standing] = {}
        self.renewal_wanted = False
        self.sent = self.received = self.undelivered = self.soft_errors = self.resent = 0
        self._tokens = tokens
        self._report = report
        self._changes = changes
        self._may_renew = may_renew
        self._wire: Wire | None = None
        self._held = True
        self._paused = False
        self._unconfirmed: set[str] = set()
        self._refused: list[Outgoing] = []
        self._refused_count: Counter[str] = Counter()
        self._recent = Recent()
        self._names = itertools.count(1)
        self._subscription_names = itertools.count(1)
        self._numbers = itertools.count(1)

    # The connection.

    @property
    def open(self) -> bool:
        """Whether frames are written and not held."""
        return self._wire is not None and not self._held

    @property
    def may_get_room(self) -> bool:
        """Whether a full queue will be emptied: there is a connection, and something waits that can go."""
        return self._wire is not None and len(self.queue) > 0

    @property
    def restored(self) -> bool:
        """Whether every SUBSCRIBE that was written has been answered."""
        return not self._unconfirmed

    def attach(self, wire: Wire) -> None:
        """A connection stands: subscribes all that stands, in the order in which it was first subscribed.
        SENDs are held.
        """
        self._wire = wire
        self._held = True
        self._paused = False
        for standing in sorted(self.standing.values(), key=lambda standing: not standing.early):
            self._subscribe(standing)

    def hold(self) -> None:
        """SENDs wait."""
        self._held = True

    def release(self) -> None:
        """Subscribes what came meanwhile, then writes what waits."""
        self._held = False
        for standing in self.standing.values():
            if not standing.written:
                self._subscribe(standing)
        self._flush()

    def detach(self, error: Callable[[], SessionClosedError]) -> None:
        """The connection is gone.

        Args:
            error: makes what the frames fail with whose fate is unknown.
        """
        self._wire = None
        self._held = True
        self.renewal_wanted = False
        self._unconfirmed.clear()
        self._recent.clear()
        self._refused_count.clear()
        for standing in self.standing.values():
            standing.lost()
        refused, self._refused = self._refused, []
        ended = [
            *self.in_flight.clear(),
            *(frame for frame in refused if frame.command == "COMMIT"),
            *self.queue.take(lambda frame: frame.owner is not None),
        ]
        for frame in ended:
            if frame.command == "UNSUBSCRIBE":
                frame.succeed(None)
            else:
                frame.fail(error())
        self.queue.put_back([frame for frame in refused if frame.command == "SEND"])
        self._changes.signal()

    def close(self, error: Callable[[], SessionClosedError], *, by_user: bool) -> None:
        """The client has closed for good: all that waits fails, and subscriptions end."""
        self.detach(error)
        for frame in self.queue.clear():
            frame.fail(error())
        for standing in self.standing.values():
            standing.closed(error(), by_user=by_user)
        self.standing.clear()

    def on_paused(self) -> None:
        """The link takes no more for now."""
        self._paused = True

    def on_resumed(self) -> None:
        """The link takes bytes again."""
        self._paused = False
        self._flush()

    # Out.

    def next_name(self) -> str:
        """A name that no receipt or request of this client had before."""
        return str(next(self._names))

    def next_subscription(self) -> str:
        """An id that no subscription of this client had before. They count from 1 in each client, see
        `Standing`.
        """
        return str(next(self._subscription_names))

    def offer(self, frame: Outgoing) -> LimitError | None:
        """Writes a frame, or lets it wait; returns the bound that forbids both."""
        if self.open and not self._paused and not self.queue:
            self._write(frame)
            return None
        full = self.queue.full_for(frame)
        if full is None:
            self.queue.append(frame)
        return full

    def answer(self, frame: Outgoing) -> None:
        """Writes a frame about what the server gave on this connection, or lets it wait: what it gave bounds them."""
        if self.open and not self._paused and not self.queue:
            self._write(frame)
        elif self._wire is not None:
            self.queue.append(frame)

    def forget(self, frame: Outgoing) -> None:
        """Nobody waits for a frame any more; if it was not written yet, it never will be."""
        self.queue.discard(frame)
        self.in_flight.discard(frame)

    def _write(self, frame: Outgoing) -> None:
        assert self._wire is not None
        before, frame.before = frame.before, ()
        for each in before:
            self._write(each)
        frame.number = next(self._numbers)
        if frame.receipt is not None or frame.code is not None:
            self.in_flight.add(frame)
        elif frame.command == "SEND" and self._tokens.renewable:
            self._recent.add(frame)
        self.sent += frame.command == "SEND"
        self._wire.send(frame, self._tokens.authorization)

    def _flush(self) -> None:
        while self.open and not self._paused and (frame := self.queue.pop()) is not None:
            self._write(frame)
        self._changes.signal()

    # Subscriptions.

    def subscribe(self, standing: Standing) -> None:
        """Takes a subscription; it is written now, or when the courier is released."""
        self.standing[standing.id] = standing
        if self.open:
            self._subscribe(standing)

    def prove(self, standing: Standing) -> None:
        """Takes a subscription that proves a new token, and writes it, held or not. It is refused where that token
        is no better.
        """
        self.standing[standing.id] = standing
        self._subscribe(standing, renewed=True)

    def unsubscribe(self, standing: Standing, *, confirm: bool) -> Outgoing | None:
        """Ends a subscription.

        Returns:
            The UNSUBSCRIBE frame, to be given an outcome when wanted; ``None`` where the server knows of
            none.
        """
        if self.standing.get(standing.id) is not standing:
            return None
        del self.standing[standing.id]
        if self._wire is None or not standing.written:
            return None
        for answer in self.queue.take(lambda each: each.owner is not None and each.owner is standing.book):
            self._write(answer)  # afterwards it would name what went back
        frame = Outgoing("UNSUBSCRIBE", {"id": standing.id}, receipt=self.next_name() if confirm else None)
        self._write(frame)
        return frame

    def _subscribe(self, standing: Standing, *, renewed: bool = False) -> None:
        standing.written = True
        frame = Outgoing(
            "SUBSCRIBE", standing.frame_headers(), receipt=self.next_name() if standing.confirm else None
        )
        frame.renewed = renewed
        if frame.receipt is not None:
            self._unconfirmed.add(frame.receipt)
        self._write(frame)

    def _answered(
        self, frame: Outgoing, error: RequestError | None, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """The server has spoken about a SUBSCRIBE."""
        assert frame.receipt is not None
        self._unconfirmed.discard(frame.receipt)
        if error is not None:
            self._ended(frame.headers["id"], error)
        elif (standing := self.standing.get(frame.headers["id"])) is not None:
            standing.confirmed(headers)
        self._changes.signal()

    # In.

    def on_message(self, headers: Mapping[str, str], body: bytes) -> None:
        """A MESSAGE arrived."""
        standing = self.standing.get(headers.get("subscription", ""))
        if standing is None:
            # It was on its way when the UNSUBSCRIBE left.
            self.undelivered += 1
            return
        self.received += 1
        standing.deliver(headers, body)

    def on_receipt(self, receipt: str, headers: Mapping[str, str] = NO_HEADERS) -> None:
        """A RECEIPT arrived, and said this besides."""
        frame = self.in_flight.take(receipt, None)
        if frame is None:
            return
        if frame.command == "SUBSCRIBE":
            self._answered(frame, None, headers)
        elif frame.code is not None:
            # The answer would have come before it.
            frame.fail(RequestError(NO_REPLY, "the request was handled, but not answered", None, frame.code))
        else:
            frame.succeed(None)

    def on_reply(self, headers: Mapping[str, str], body: bytes) -> None:
        """A message on the reply destination."""
        frame = self.in_flight.take(None, headers.get("client-request-code"))
        if frame is None:
            self.undelivered += 1
        else:
            frame.succeed(body)

    def on_soft_error(self, headers: Mapping[str, str], body: bytes) -> None:
        """A message on the error destination."""
        said = read_soft_error(headers, body)
        if said is None:
            logger.warning("a message on the error destination is not what it should be: %r", body[:200])
            return
        error, destination = said
        self.soft_errors += 1
        frame = self.in_flight.take(headers.get("receipt-id"), error.client_request_code)
        if ENDED in headers:
            self._ended(headers[ENDED], error)
            return
        if error.code == LOST:
            for standing in [each for each in self.standing.values() if each.destination == destination]:
                standing.gap()
        if error.code == EXPIRED and self._tokens.renewable and self._renew_for(frame, destination):
            return
        if frame is None:
            self._report(error)
        else:
            self._refused_for_good(frame, error)

    def _ended(self, name: str, error: RequestError) -> None:
        """The server has ended a subscription, which its user may have left meanwhile."""
        standing = self.standing.pop(name, None)
        if standing is not None:
            standing.refused(error)

    def _refused_for_good(self, frame: Outgoing, error: RequestError) -> None:
        if frame.command == "SUBSCRIBE":
            self._answered(frame, error)
            return
        if frame.command == "COMMIT" and error.code in NOT_LOOKED_AT:
            self._abort(frame)
        frame.fail(error)

    def _abort(self, commit: Outgoing) -> None:
        """Nobody will send a COMMIT again that the server did not look at: its transaction is open still."""
        self.answer(Outgoing("ABORT", commit.headers, owner=self))

    # Tokens.

    def _renew_for(self, frame: Outgoing | None, destination: str | None) -> bool:
        """Keeps what an expired token stopped; ``False`` where a new token has been tried already."""
        if frame is not None:
            if frame.renewed:
                return False
            self._refused.append(frame)
            if frame.receipt is not None:
                self._unconfirmed.discard(frame.receipt)
        elif not self._may_renew():
            return False
        elif destination is not None:
            for standing in self.standing.values():
                if standing.destination == destination:
                    standing.suspended()
            self._refused_count[destination] += 1
        self.renewal_wanted = True
        self._held = True
        self._changes.signal()
        return True

    def renewed(self) -> None:
        """There is a new token, and the server has answered all that the old one was on: sends again what
        that stopped.
        """
        self.renewal_wanted = False
        frames = [*self._refused, *self._recent.last(self._refused_count)]
        frames.sort(key=lambda frame: frame.number)
        self._refused.clear()
        self._refused_count.clear()
        self._recent.clear()
        for frame in frames:
            if frame.abandoned:
                if frame.command == "COMMIT":
                    self._abort(frame)
                continue
            if frame.command == "SUBSCRIBE":
                if frame.headers["id"] not in self.standing:
                    continue
                assert frame.receipt is not None
                self._unconfirmed.add(frame.receipt)
            frame.renewed = True
            self.resent += 1
            self._write(frame)

    def not_renewed(self, code: str, detail: str) -> None:
        """There is no token that counts: what the old one stopped fails."""
        self.renewal_wanted = False
        refused, self._refused = self._refused, []
        if self._refused_count:
            self._report(RequestError(code, detail))
        self._refused_count.clear()
        self._recent.clear()
        for frame in refused:
            self._refused_for_good(frame, RequestError(code, detail, None, frame.code))
