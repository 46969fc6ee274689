"""Transactions of a client.

Nothing of a transaction can be seen before COMMIT, and the client knows all of it then. So its frames are kept until
the end of ``async with``, and BEGIN, they and COMMIT leave together: there is no half of a transaction on a
connection, and one that a token which had run out kept from taking effect is tried once more, whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, final

import msgspec

from stompede._types import NO_HEADERS
from stompede.client.acks import Book
from stompede.client.calls import Calls
from stompede.client.frames import Outgoing, encode_send
from stompede.client.received import Received
from stompede.client.soft_errors import EXPIRED
from stompede.errors import LimitError, LocalProtocolError, RequestError, SessionClosedError


class _Answer(msgspec.Struct, frozen=True):
    """An ACK or NACK."""

    book: Book
    taken: dict[int, str]


@final
class Transaction:
    """What `Client.transaction` returns: messages and acknowledgements that take effect together, or not at all.

        async with client.transaction() as transaction:
            transaction.send("/queue/dishes", dish)
            transaction.ack(message)

    Leaving commits, and waits until the server has confirmed it. An exception inside aborts; so does cancelling. An
    empty one does nothing. Of messages to ``/app`` Stompede makes no part of what is atomic: they are handled when the
    rest has taken effect, and what goes wrong there is told to ``on_error``.

    The methods wait for nothing: mistakes of the caller are raised at once, refusals of the server when it commits.

    Leaving raises:
        RequestError: the server refused it, and says for which of its frames; nothing of it took effect. What it
            acknowledged can be acknowledged again.
        SessionClosedError: the connection broke before the server confirmed the transaction, so nothing is known of
            it; or a message that it acknowledges came over an earlier connection, and nothing of it took effect.
        TimeoutError: no word from the server in time. If it still waited it is withdrawn; else nothing is known of
            it.
        LimitError: too much waits for a connection already; nothing of it took effect.
    """

    def __init__(self, calls: Calls, timeout_s: float | None, max_frames: int, max_bytes: int) -> None:
        self._calls = calls
        self._timeout_s = timeout_s
        self._max_frames = max_frames
        self._max_bytes = max_bytes
        self._frames: list[Outgoing] = []
        self._answers: list[_Answer] = []
        self._size = 0
        self._entered = self._ended = False

    async def __aenter__(self) -> Self:
        if self._entered:
            raise LocalProtocolError("the transaction was entered before; make another one")
        self._calls.open()
        self._entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended = True
        if error is not None:
            self._put_back()
        elif self._frames:
            await self._commit()

    def send(
        self,
        destination: str,
        body: Any = b"",
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
    ) -> None:
        """Sends a message when the transaction commits.

        Args:
            destination: where to.
            body: as for `Client.send`.
            headers: as for `Client.send`.
            content_type: as for `Client.send`.

        Raises:
            LimitError: the transaction would be larger than what may wait for a connection.
            LocalProtocolError: it is not open; or the frame cannot be written.
        """
        self._add(Outgoing("SEND", *encode_send(destination, body, headers, content_type)))

    def ack(self, message: Received[Any]) -> None:
        """Acknowledges a message when the transaction commits. Until then it counts as answered.

        Raises:
            SessionClosedError: the message came over a connection that is lost: the server delivers it again.
            LocalProtocolError: as for `Received.ack`; or the transaction is not open.
            LimitError: as for `send`.
        """
        self._answer("ACK", message)

    def nack(self, message: Received[Any]) -> None:
        """Refuses a message when the transaction commits. Raises what `ack` does."""
        self._answer("NACK", message)

    def _answer(self, command: str, message: Received[Any]) -> None:
        given = message.given
        if given.book.ended and not given.book.left:
            raise _stale(message.destination)
        given.book.check(given.number)
        frame = given.book.frame(command, message.headers)
        self._add(frame)
        taken = given.book.take(given.number)
        given.book.promise(taken)
        if command == "NACK":
            given.book.refuse(taken)
        self._answers.append(_Answer(given.book, taken))

    def _add(self, frame: Outgoing) -> None:
        if not self._entered or self._ended:
            raise LocalProtocolError("the transaction is not open; use it inside of `async with`")
        if len(self._frames) >= self._max_frames:
            raise LimitError("max_queued_sends", self._max_frames, len(self._frames) + 1)
        if self._size + frame.size > self._max_bytes:
            raise LimitError("max_queued_bytes", self._max_bytes, self._size + frame.size)
        self._frames.append(frame)
        self._size += frame.size

    async def _commit(self) -> None:
        async with asyncio.timeout(self._timeout_s):
            refusal = await self._attempt()
            if refusal is not None and refusal.code == EXPIRED:
                refusal = await self._attempt()
        if refusal is not None:
            self._put_back()
            raise refusal
        for answer in self._answers:
            answer.book.settled(answer.taken)

    async def _attempt(self) -> RequestError | None:
        """Commits; returns what kept it from taking effect. If that is a token that has run out, there is a new one."""
        for answer in self._answers:
            if answer.book.ended:
                self._put_back()
                raise _stale(answer.book.destination)
        name = {"transaction": self._calls.open().courier.next_name()}
        parts = [self._part(frame, name) for frame in self._frames]
        # Without acknowledgements it is about nothing that ends with the connection: it may wait for another one.
        owner = self if self._answers else None
        commit = Outgoing("COMMIT", name, owner=owner, before=(Outgoing("BEGIN", name), *parts))
        self._calls.expect(commit)
        try:
            await self._calls.outcome(commit, None)
        except RequestError as error:
            causes = [cause for part in parts if (cause := _refusal(part)) is not None]
            if not causes:
                self._put_back()
                raise
            if error.code == EXPIRED:
                self._put_back()
                raise causes[0] from error
            return causes[0]
        except BaseException:
            if not commit.number:  # it was withdrawn before it was written
                self._put_back()
            raise
        finally:
            self._calls.forget(parts)
        return None

    def _part(self, frame: Outgoing, name: Mapping[str, str]) -> Outgoing:
        part = Outgoing(frame.command, {**frame.headers, **name}, frame.body)
        self._calls.expect(part)
        part.renewed = True  # alone it must not be sent again: the transaction is spoiled
        return part

    def _put_back(self) -> None:
        """It took no effect: what it would have answered can be answered again."""
        for answer in self._answers:
            answer.book.settled(answer.taken)
            answer.book.put_back(answer.taken)
        self._answers.clear()


def _refusal(part: Outgoing) -> RequestError | None:
    """What the server had against one of the frames."""
    if part.outcome is None or not part.outcome.done() or part.outcome.cancelled():
        return None
    error = part.outcome.exception()
    return error if isinstance(error, RequestError) else None


def _stale(destination: str) -> SessionClosedError:
    return SessionClosedError(
        f"a message of {destination} is no longer this client's, as its connection or its subscription has ended: "
        "the server delivers it again, and nothing of this transaction takes effect"
    )
