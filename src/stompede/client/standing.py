"""A subscription as the client's inside sees it: what is subscribed again after each reconnect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from stompede.client.acks import Book
from stompede.client.changes import Changes
from stompede.client.track import Track
from stompede.errors import RequestError, SessionClosedError, StompedeError


@final
class Standing:
    """One subscription that stands until it is left or refused.

    Args:
        name: its ``id`` header. Ids count from 1 in each client: a server encodes a message once for all
            sessions with the same id.
        destination: what is subscribed to.
        headers: further headers of the SUBSCRIBE frame.
        sink: gets every message.
        on_end: told when it ends: with the server's refusal after it had been live, with what closed the
            client for good, or with ``None`` when its user closed the client.
        on_gap: told when messages may be missing before the next one.
        on_lost: told when the connection is gone on which it stood.
        kept: whether the server keeps what it could not deliver: a lost connection makes no gap.
        acknowledged: whether its messages are acknowledged.
        confirm: whether SUBSCRIBE asks for a RECEIPT.
        early: whether it is subscribed before all others: what tells of refused subscriptions must be.

    Attributes:
        written: whether a SUBSCRIBE of it went out on this connection.
        live: whether the server has ever confirmed it.
        error: why it ended.
        repeated: messages that came again, and were not passed on.
        book: of messages that are to be acknowledged, where they are.
    """

    def __init__(
        self,
        name: str,
        destination: str,
        sink: Callable[[Mapping[str, str], bytes], None],
        *,
        headers: Mapping[str, str] | None = None,
        on_end: Callable[[StompedeError | None], None] | None = None,
        on_gap: Callable[[], None] | None = None,
        on_lost: Callable[[], None] | None = None,
        kept: bool = False,
        acknowledged: bool = False,
        confirm: bool = True,
        early: bool = False,
    ) -> None:
        self.id = name
        self.destination = destination
        self._sink = sink
        self.confirm = confirm
        self.early = early
        self.written = False
        self.live = False
        self.error: RequestError | SessionClosedError | None = None
        self._headers = dict(headers or {})
        self._on_end = on_end
        self._on_gap = on_gap
        self._on_lost = on_lost
        self._kept = kept
        self.book: Book | None = None
        self._changes = Changes()
        self._track = Track(acknowledged=acknowledged)
        self.repeated = 0

    def frame_headers(self) -> dict[str, str]:
        """Headers of the SUBSCRIBE frame. Called again after a reconnect, where the server is asked to fill the gap; if
        it cannot, the one who reads must learn of it.
        """
        if self.live and not self._track.positional and not self._kept:
            self.gap()
        headers = {"id": self.id, "destination": self.destination, **self._headers}
        self._track.subscribe(headers)
        return headers

    def deliver(self, headers: Mapping[str, str], body: bytes) -> None:
        """A message arrived. What came before is not passed on again."""
        if self._track.accept(headers.get("message-id", "")):
            self._sink(headers, body)
        else:
            self.repeated += 1

    def suspended(self) -> None:
        """A token has run out, and the server may have stopped delivering. Where there are positions it goes on where
        it stopped, or says that messages are lost.
        """
        if not self._track.positional and not self._kept:
            self.gap()

    def lost(self) -> None:
        """The connection is gone on which it stood."""
        self.written = False
        if self.book is not None:
            self._track.rewind(self.book.unfinished())
        if self._on_lost is not None:
            self._on_lost()

    def gap(self) -> None:
        """Messages may be missing before the next one."""
        if self._on_gap is not None:
            self._on_gap()

    def confirmed(self, headers: Mapping[str, str]) -> None:
        """The RECEIPT came, and said this besides."""
        if not self._track.confirmed(headers):
            self.gap()
        self.live = True
        self._changes.signal()

    def refused(self, error: RequestError) -> None:
        """The server refused it; it stands no more."""
        self.error = error
        if self.live and self._on_end is not None:
            self._on_end(error)
        self._changes.signal()

    def closed(self, error: SessionClosedError, *, by_user: bool) -> None:
        """The client has closed for good."""
        self.error = error
        if self._on_end is not None:
            self._on_end(None if by_user else error)
        self._changes.signal()

    async def wait_live(self) -> None:
        """Waits until it is live for the first time.

        Raises:
            RequestError: the server refused it.
            SessionClosedError: the client closed before.
        """
        await self._changes.until(lambda: self.live or self.error is not None)
        if self.error is not None:
            raise self.error
