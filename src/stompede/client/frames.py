"""Frames of the client that are not yet done with: queued, or sent and waiting for the server's word."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, final

from stompede.errors import ConfigurationError, LimitError, LocalProtocolError
from stompede.messaging.codecs import encode

# Headers that the client itself writes.
OWN_HEADERS: Final = frozenset(
    {"destination", "content-length", "content-type", "receipt", "id", "ack", "transaction"}
)


@final
class Outgoing:
    """One frame, from the call that made it until the server has spoken about it.

    Attributes:
        command: of a frame that a client sends.
        headers: everything but ``Authorization``, which is put on when it is written, so that a frame that
            waited has the newest one.
        body: of a SEND.
        receipt: its ``receipt`` header, ``None`` where the server's word is not asked for.
        code: its ``client-request-code``, where an answer is expected.
        outcome: set by the RECEIPT, the answer, or the error; ``None`` where nobody waits.
        number: its place in the order of sending; 0 before it was written.
        renewed: whether it has been sent again with a new token already, or must not be.
        owner: what it is about that ends with the connection; it is written on this one or not at all. ``None``
            where it may wait for the next one.
        before: frames that are written right before it, with nothing between.
    """

    __slots__ = (
        "before", "body", "code", "command", "headers", "number", "outcome", "owner", "receipt", "renewed",
    )  # fmt: skip

    def __init__(
        self,
        command: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        receipt: str | None = None,
        code: str | None = None,
        outcome: asyncio.Future[Any] | None = None,
        owner: object | None = None,
        before: tuple[Outgoing, ...] = (),
    ) -> None:
        self.command = command
        self.headers = headers
        self.body = body
        self.receipt = receipt
        self.code = code
        self.outcome = outcome
        self.number = 0
        self.renewed = False
        self.owner = owner
        self.before = before

    @property
    def destination(self) -> str:
        """Where it goes; "" where it goes nowhere."""
        return self.headers.get("destination", "")

    @property
    def size(self) -> int:
        """Bytes that it counts for in a queue; the headers are taken at a rough length."""
        own = len(self.body) + 64 + sum(len(name) + len(value) + 2 for name, value in self.headers.items())
        return own + sum(each.size for each in self.before)

    @property
    def abandoned(self) -> bool:
        """Whether the one who waited has gone, by a time-out or a cancellation."""
        return self.outcome is not None and self.outcome.done()

    def fail(self, error: BaseException) -> None:
        """Tells the one who waits, if there is one."""
        if self.outcome is not None and not self.outcome.done():
            self.outcome.set_exception(error)

    def succeed(self, value: Any) -> None:
        """Tells the one who waits, if there is one."""
        if self.outcome is not None and not self.outcome.done():
            self.outcome.set_result(value)


class Wire(Protocol):
    """Where frames are written: a `stompede.client.connection.Connection`."""

    def send(self, frame: Outgoing, authorization: str | None) -> None:
        """Writes one frame."""
        ...


@final
class SendQueue:
    """Frames that wait for a connection, in order, bounded in count and bytes."""

    def __init__(self, max_count: int, max_bytes: int) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._frames: deque[Outgoing] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def bytes(self) -> int:
        """Bytes of all waiting frames."""
        return self._bytes

    def full_for(self, frame: Outgoing) -> LimitError | None:
        """The bound that keeps one more frame out, or ``None`` where it fits."""
        if len(self._frames) >= self._max_count:
            return LimitError("max_queued_sends", self._max_count, len(self._frames) + 1)
        if self._bytes + frame.size > self._max_bytes:
            return LimitError("max_queued_bytes", self._max_bytes, self._bytes + frame.size)
        return None

    def append(self, frame: Outgoing) -> None:
        """Adds a frame at the end; the caller has asked `full_for`."""
        self._frames.append(frame)
        self._bytes += frame.size

    def put_back(self, frames: list[Outgoing]) -> None:
        """Adds frames that the server refused to look at before all others. They had their room already,
        so no bound is asked.
        """
        self._frames.extendleft(reversed(frames))
        self._bytes += sum(frame.size for frame in frames)

    def pop(self) -> Outgoing | None:
        """The next frame that somebody still wants."""
        while self._frames:
            frame = self._frames.popleft()
            self._bytes -= frame.size
            if not frame.abandoned:
                return frame
        return None

    def discard(self, frame: Outgoing) -> None:
        """Takes a frame out that nobody wants any more."""
        if frame in self._frames:
            self._frames.remove(frame)
            self._bytes -= frame.size

    def take(self, wanted: Callable[[Outgoing], bool]) -> list[Outgoing]:
        """Takes out the frames of some kind, in order."""
        frames = [frame for frame in self._frames if wanted(frame)]
        if frames:
            self._frames = deque(frame for frame in self._frames if not wanted(frame))
            self._bytes -= sum(frame.size for frame in frames)
        return frames

    def clear(self) -> list[Outgoing]:
        """Empties the queue and returns what was in it."""
        return self.take(lambda _: True)


@final
class InFlight:
    """Frames that were written and wait for the server's word, by receipt and by request code; a request has
    both.

    A frame stays until its RECEIPT, answer or error arrives, the one who waits goes away, or the connection
    ends.
    """

    def __init__(self) -> None:
        self._by_receipt: dict[str, Outgoing] = {}
        self._by_code: dict[str, Outgoing] = {}

    def __len__(self) -> int:
        return len({*self._by_receipt.values(), *self._by_code.values()})

    def add(self, frame: Outgoing) -> None:
        """Remembers a frame that is written now."""
        if frame.receipt is not None:
            self._by_receipt[frame.receipt] = frame
        if frame.code is not None:
            self._by_code[frame.code] = frame

    def discard(self, frame: Outgoing) -> None:
        """Forgets a frame; it need not be there."""
        if frame.receipt is not None:
            self._by_receipt.pop(frame.receipt, None)
        if frame.code is not None:
            self._by_code.pop(frame.code, None)

    def take(self, receipt: str | None, code: str | None) -> Outgoing | None:
        """Finds the frame that a RECEIPT, an answer or an error is about, and forgets it."""
        frame = None
        if receipt is not None:
            frame = self._by_receipt.get(receipt)
        if frame is None and code is not None:
            frame = self._by_code.get(code)
        if frame is not None:
            self.discard(frame)
        return frame

    def clear(self) -> list[Outgoing]:
        """Empties the table and returns what was in it, in the order of sending."""
        frames = sorted({*self._by_receipt.values(), *self._by_code.values()}, key=lambda frame: frame.number)
        self._by_receipt.clear()
        self._by_code.clear()
        return frames


@final
class Recent:
    """The newest frames that asked for no receipt, so that those an expired token stopped can be sent again.

    Such a frame cannot be named by an error. But a session's frames are handled in order and a token expires
    once: when ``k`` of the frames to one destination were refused for their token, they are the last ``k``
    that were sent to it before the new token.
    """

    def __init__(self, max_count: int = 64, max_bytes: int = 64 * 1024) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._frames: deque[Outgoing] = deque()
        self._bytes = 0

    def add(self, frame: Outgoing) -> None:
        """Remembers a frame, and forgets the oldest ones beyond the bounds."""
        self._frames.append(frame)
        self._bytes += len(frame.body)
        while len(self._frames) > self._max_count or self._bytes > self._max_bytes:
            self._bytes -= len(self._frames.popleft().body)

    def last(self, refused: Mapping[str, int]) -> list[Outgoing]:
        """The frames that were refused and have not been sent again already, in the order of sending.

        Args:
            refused: how many frames were refused, by destination.
        """
        wanted = dict(refused)
        found: list[Outgoing] = []
        for frame in reversed(self._frames):
            if wanted.get(frame.destination, 0) > 0:
                wanted[frame.destination] -= 1
                if not frame.renewed:
                    found.append(frame)
        found.reverse()
        return found

    def clear(self) -> None:
        """Forgets all."""
        self._frames.clear()
        self._bytes = 0


def encode_send(
    destination: str, body: Any, headers: Mapping[str, str], content_type: str | None
) -> tuple[dict[str, str], bytes]:
    """Headers and body of a SEND frame."""
    check_headers(destination, headers)
    payload, encoded_as = encode(body)
    fields = {"destination": destination}
    kind = content_type or encoded_as
    if kind is not None:
        fields["content-type"] = kind
    fields.update(headers)
    return fields, payload


def check_headers(destination: str, headers: Mapping[str, str]) -> None:
    """Finds mistakes where they are made, and not later, where a frame is written for nobody.

    Raises:
        LocalProtocolError: no destination, a header that the client itself writes, or one that is no string.
    """
    if not destination:
        raise LocalProtocolError("a destination is missing")
    if not OWN_HEADERS.isdisjoint(headers):
        name = min(OWN_HEADERS.intersection(headers))
        raise LocalProtocolError(f"the client writes the header {name} itself; use the argument for it")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise LocalProtocolError(f"the header {name!r} and its value {value!r} must be strings")
    for text in (destination, *headers, *headers.values()):
        try:
            text.encode()
        except UnicodeEncodeError:
            raise LocalProtocolError(f"{text!r} cannot be written as UTF-8") from None


def check_lines(where: str, headers: Mapping[str, str]) -> None:
    """Finds what neither CONNECT nor an HTTP handshake can express, as both have headers without escapes.

    Args:
        where: names the option that they come from.
        headers: a value is never told, as it may be a secret.

    Raises:
        ConfigurationError: one is no string, or has a line end, a NUL, or something that is no Unicode in it.
    """
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str) or not name:
            raise ConfigurationError(f"{where}: the header {name!r} and its value must be strings")
        if any(sign in name for sign in ":\n\r\0") or any(sign in value for sign in "\n\r\0"):
            raise ConfigurationError(f"{where}: the header {name!r} has a line end or NUL in it")
        try:
            (name + value).encode()
        except UnicodeEncodeError:
            raise ConfigurationError(f"{where}: the header {name!r} cannot be written as UTF-8") from None
