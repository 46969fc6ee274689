"""What a subscription gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec

from stompede.client.acks import Given
from stompede.errors import LocalProtocolError

T = TypeVar("T")


class Received(msgspec.Struct, Generic[T], frozen=True):
    """One message of a subscription.

    Attributes:
        body: decoded to the type that `Client.subscribe` was given.
        destination: where it was sent; more than the subscription's own where that stands for several.
        headers: all headers of the MESSAGE frame, unescaped, read-only.
        message_id: the server's id of it.
        recovered: ``True`` on messages from the destination's history: what was missed during an interruption, or
            what ``history-last`` asked for. ``False`` on the first message after an interruption (a lost connection, or
            a token that had run out) whose gap was not filled: messages may be missing before this one. ``None`` on
            live messages.
    """

    body: T
    destination: str
    headers: Mapping[str, str]
    message_id: str
    recovered: bool | None = None
    _given: Given | None = None

    @property
    def redelivered(self) -> bool:
        """Whether it was delivered before, to this client or another, and not acknowledged; the header
        ``delivery-count`` says how often.
        """
        return self.headers.get("redelivered") == "true"

    async def ack(self, *, receipt: bool = False, timeout_s: float | None = 30.0) -> bool:
        """Acknowledges the message: it is done with; with ``ack="client"`` all before it are, too.

        Args:
            receipt: whether to wait until the server confirms it. Without, the call does not wait, and soft errors
                about it go to ``on_error``.
            timeout_s: longest wait for that, in seconds; for ever where ``None``.

        Returns:
            ``False`` where the connection that the message came over is lost: nothing is sent, and the server delivers
            the message again, marked as `redelivered`.

        Raises:
            LocalProtocolError: it was answered before; or its subscription was left, or acknowledges nothing.
            RequestError: the server refused it.
            TimeoutError: no word from the server in time.
            SessionClosedError: the connection broke before the server confirmed it, so nothing is known of it.
        """
        given = self.given
        return await given.book.answer(given.number, "ACK", self.headers, receipt, timeout_s)

    async def nack(self, *, receipt: bool = False, timeout_s: float | None = 30.0) -> bool:
        """Refuses the message: the server gives it to somebody else, or again; with ``ack="client"`` all before it are
        refused, too. Takes, returns and raises what `ack` does; a server of STOMP 1.0 has no NACK.
        """
        given = self.given
        return await given.book.answer(given.number, "NACK", self.headers, receipt, timeout_s)

    @property
    def given(self) -> Given:
        """Its place among those that are to be acknowledged; for the library's own use."""
        if self._given is None:
            raise LocalProtocolError(
                f"messages of {self.destination} are not acknowledged; subscribe with ack='client-individual'"
            )
        return self._given
