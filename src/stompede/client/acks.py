"""Messages that a subscription has got and not acknowledged.

A server gives a message out for one connection: what is not acknowledged when that is lost comes again. So the record
of what may be acknowledged ends with the connection, and no answer names a message of an earlier one. The record also
keeps an answer from being given twice, which a server takes for a broken protocol.

A NACK may be lost with its connection, and so may what it asked for. So a refused message counts as unfinished until it
comes again. It may also never come, refused once too often: a server gives what it took back before anything new, and
no more than the prefetch was on its way, so it is forgotten when twice as many others have come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, final

import msgspec

from stompede.client.frames import Outgoing
from stompede.errors import LocalProtocolError

AckMode = Literal["auto", "client", "client-individual"]
"""How messages are acknowledged: when they are written, with all before them, or each by itself."""

MODES: Final = ("auto", "client", "client-individual")
_PREFETCH: Final = 32  # the server's own


class Answering(Protocol):
    """Where answers go: the client's inside."""

    @property
    def version(self) -> str:
        """The version that the present connection speaks."""
        ...

    async def answer(self, frame: Outgoing, *, receipt: bool, timeout_s: float | None) -> None:
        """Writes an answer, and waits for its RECEIPT where one is wanted.

        Raises:
            RequestError: the server refused it.
            TimeoutError: no word from the server in time.
            SessionClosedError: the connection broke before the server confirmed it.
        """
        ...


@final
class Book:
    """The messages of one subscription that came over one connection and are not acknowledged.

    Args:
        destination: of the subscription.
        mode: ``client`` or ``client-individual``.
        answering: where answers go.
        prefetch: how many messages may be unacknowledged; the server's own number where ``None``.

    Attributes:
        ended: the server has taken back what was not acknowledged.
        left: of those, by the user, who left the subscription.
    """

    __slots__ = (
        "_answering", "_cumulative", "_next", "_open", "_patience", "_promised", "_refused", "destination", "ended",
        "left",
    )  # fmt: skip

    def __init__(
        self, destination: str, mode: AckMode, answering: Answering, prefetch: int | None = None
    ) -> None:
        self.destination = destination
        self.ended = self.left = False
        self._cumulative = mode == "client"
        self._answering = answering
        self._open: dict[int, str] = {}
        self._promised: dict[int, str] = {}
        self._refused: dict[str, int] = {}  # and how many had come by then
        self._patience = 2 * (prefetch or _PREFETCH)
        self._next = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, message_id: str) -> Given:
        """A message came."""
        self._next += 1
        self._open[self._next] = message_id
        if self._refused:
            self._refused.pop(message_id, None)
            self._forget_refused()
        return Given(self, self._next)

    def _forget_refused(self) -> None:
        if self._promised:  # some may be refused by a transaction that has still to commit
            return
        refused = self._refused
        while refused and self._next - refused[oldest := next(iter(refused))] > self._patience:
            del refused[oldest]

    def unfinished(self) -> list[str]:
        """The ids of messages that were not answered, or by transactions only whose outcome is not known, or that were
        refused and have not come again.
        """
        return [*self._open.values(), *self._promised.values(), *self._refused]

    def end(self, *, left: bool = False) -> None:
        """The server takes back what is not acknowledged."""
        self.left = self.left or (left and not self.ended)
        self.ended = True
        self._open.clear()

    def check(self, number: int) -> None:
        """Finds out whether a message may be answered; not to be asked where the connection is lost.

        Raises:
            LocalProtocolError: it was answered already, or the subscription was left.
        """
        if self.left:
            raise LocalProtocolError(
                f"the subscription to {self.destination} was left; the server delivers again what was not "
                "acknowledged before"
            )
        if number not in self._open:
            hint = ", by itself or with a later one (ack='client')" if self._cumulative else ""
            raise LocalProtocolError(f"this message of {self.destination} was answered before{hint}")

    def take(self, number: int) -> dict[int, str]:
        """What an answer about a message is about: that one, or all before it, too. They count as answered."""
        taken = [each for each in self._open if each <= number] if self._cumulative else [number]
        return {each: self._open.pop(each) for each in taken}

    def put_back(self, taken: dict[int, str]) -> None:
        """An answer took no effect: it may be given again."""
        for each in taken.values():
            self._refused.pop(each, None)
        if not self.ended:
            self._open = dict(sorted((self._open | taken).items()))

    def refuse(self, taken: dict[int, str]) -> None:
        """The answer is a NACK: they are to come again."""
        for each in taken.values():
            self._refused.pop(each, None)
            self._refused[each] = self._next

    def promise(self, taken: dict[int, str]) -> None:
        """An answer takes effect with a transaction, if at all."""
        self._promised |= taken

    def settled(self, taken: dict[int, str]) -> None:
        """The outcome of a transaction is known: what it refused may come again from now on."""
        for each in taken:
            self._promised.pop(each, None)
        self.refuse({number: each for number, each in taken.items() if each in self._refused})

    def frame(self, command: str, message: Mapping[str, str]) -> Outgoing:
        """An ACK or NACK of a message, by its headers.

        Raises:
            LocalProtocolError: the connection's version has no such thing.
        """
        return Outgoing(command, answer_headers(command, self._answering.version, message), owner=self)

    async def answer(
        self, number: int, command: str, message: Mapping[str, str], receipt: bool, timeout_s: float | None
    ) -> bool:
        """Answers a message; ``False`` where the connection that it came over is lost.

        Raises:
            LocalProtocolError: it was answered already, or its subscription was left, or it cannot be said.
            RequestError: see `Answering.answer`; also `TimeoutError` and `SessionClosedError`.
        """
        if self.ended and not self.left:
            return False
        self.check(number)
        frame = self.frame(command, message)
        taken = self.take(number)
        if command == "NACK":
            self.refuse(taken)
        try:
            await self._answering.answer(frame, receipt=receipt, timeout_s=timeout_s)
        except BaseException:
            if not frame.number:  # it was withdrawn before it was written
                self.put_back(taken)
            raise
        return True


class Given(msgspec.Struct, frozen=True, eq=False):
    """The place of a message in its book.

    Attributes:
        book: the book.
        number: of the message.
    """

    book: Book
    number: int


def answer_headers(command: str, version: str, message: Mapping[str, str]) -> dict[str, str]:
    """What names a message in an ACK or NACK.

    Args:
        command: ``ACK`` or ``NACK``.
        version: that the connection speaks.
        message: the headers of the MESSAGE.

    Raises:
        LocalProtocolError: STOMP 1.0 has no NACK; or the server did not say how to name the message.
    """
    if command == "NACK" and version == "1.0":
        raise LocalProtocolError(
            "the server speaks STOMP 1.0, which has no NACK; ack() or leave the subscription"
        )
    # STOMP 1.2 "ACK": by the header `ack` of the MESSAGE; before that by its id and its subscription.
    named = (
        {"ack": "id"} if version == "1.2" else {"message-id": "message-id", "subscription": "subscription"}
    )
    headers = {ours: message[theirs] for theirs, ours in named.items() if message.get(theirs)}
    if not headers:
        raise LocalProtocolError(
            f"the server gave the message no header {next(iter(named))}: it cannot be answered"
        )
    return headers


def check_mode(
    ack: AckMode, prefetch: int | None, headers: Mapping[str, str], max_queued: int, keeps: bool
) -> None:
    """Finds what cannot be subscribed to in this way.

    Args:
        ack: the mode.
        prefetch: how many messages may be unacknowledged.
        headers: further headers of the SUBSCRIBE.
        max_queued: how many messages may wait to be taken.
        keeps: whether none of them is dropped.

    Raises:
        LocalProtocolError: it says what would be right.
    """
    if ack not in MODES:
        raise LocalProtocolError(f"ack= is one of {', '.join(map(repr, MODES))}, not {ack!r}")
    if ack == "auto":
        if prefetch is not None:
            raise LocalProtocolError("prefetch= needs ack='client' or ack='client-individual'")
        return
    if not keeps:
        raise LocalProtocolError(
            f"a message that is dropped is never acknowledged: with ack={ack!r} choose overflow=Overflow.FAIL"
        )
    if prefetch is None:
        return
    if not 1 <= prefetch <= max_queued:
        raise LocalProtocolError(f"prefetch= must be from 1 to max_queued={max_queued}, is {prefetch}")
    if "prefetch-count" in headers:
        raise LocalProtocolError(
            "prefetch= writes the header prefetch-count itself; leave that out of headers="
        )


def subscribe_headers(ack: AckMode, prefetch: int | None) -> dict[str, str]:
    """What a SUBSCRIBE says of acknowledgement; nothing where messages need none."""
    headers: dict[str, str] = {} if ack == "auto" else {"ack": ack}
    if prefetch is not None:
        headers["prefetch-count"] = str(prefetch)
    return headers
