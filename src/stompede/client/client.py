"""The face of the client.

Concurrency: a client has one task, owned by a task group that ends with ``async with``. Everything that
arrives is handled in the callback of its socket. Methods may be called from any task of the client's loop,
and not from other threads.

Cancellation: cancelling `Client.send` or `Client.request` withdraws the frame where it still waits; one that
was written cannot be taken back, and its outcome is not known. Cancelling whoever is inside of ``async with
client`` closes the connection at once, without DISCONNECT.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar, final, overload

from stompede._types import NO_HEADERS
from stompede.client.acks import AckMode, check_mode
from stompede.client.calls import Calls
from stompede.client.courier import logger
from stompede.client.frames import Outgoing, check_headers, encode_send
from stompede.client.link import Dialer
from stompede.client.options import ClientOptions
from stompede.client.standing import Standing
from stompede.client.statistics import ClientStatistics
from stompede.client.subscription import Overflow, Subscription
from stompede.client.supervisor import Supervisor
from stompede.client.transaction import Transaction
from stompede.errors import (
    LocalProtocolError,
    RemoteProtocolError,
    RequestError,
    SessionClosedError,
)
from stompede.messaging.codecs import decoder
from stompede.messaging.problem import Problem

T = TypeVar("T")

REQUEST_CODE: Final = "client-request-code"


@final
class Client:
    """A STOMP client; `stompede.connect` and `stompede.testing.connect` make it.

    Use it as an asynchronous context manager: entering connects, and raises what keeps it from connecting;
    leaving says DISCONNECT.

    Delivery: a frame is written at most once, unless the server says that it did not look at it because its
    token had expired. What a RECEIPT means is the server's to say; for Stompede: a SUBSCRIBE is live; a SEND
    to a topic was taken by the bus; a SEND to ``/app`` was handled, and the bus took what the handler
    published.

    Order: frames leave in the order of the calls, also after a reconnect; there, subscriptions come first.

    Args:
        dialer: makes connections.
        options: everything else.
        redial: what makes connections to a URL that the server names; ``None``: the client goes to no other.
    """

    def __init__(
        self, dialer: Dialer, options: ClientOptions, *, redial: Callable[[str], Dialer] | None = None
    ) -> None:
        self._dialer = dialer
        self._redial = redial
        self._options = options
        self._supervisor: Supervisor | None = None
        self._group: asyncio.TaskGroup | None = None
        self._task: asyncio.Task[None] | None = None
        self._replies: Standing | None = None
        self._calls = Calls(self._entered)

    # Life.

    async def __aenter__(self) -> Self:
        if self._supervisor is not None:
            raise LocalProtocolError("a client connects once; make another one")
        supervisor = self._supervisor = Supervisor(
            self._dialer, self._options, self._report, redial=self._redial
        )
        self._group = await asyncio.TaskGroup().__aenter__()
        self._task = self._group.create_task(supervisor.run(), name=f"stompede client of {self._dialer.url}")
        try:
            await supervisor.changes.until(lambda: supervisor.up or supervisor.closed is not None)
            if supervisor.closed is not None:
                raise supervisor.closed
        except BaseException as error:
            await self._leave(error)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        """Closes, then waits for the task. The user's exception is no matter of the group's: it would come
        out wrapped in another.
        """
        assert self._group is not None
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        try:
            if cancelled is None:
                await self.aclose()
        finally:
            self._stop()
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)

    async def aclose(self) -> None:
        """Sends what waits, says DISCONNECT, and waits for its RECEIPT and the close frame, at most
        ``close_timeout_s``. Idempotent.

        Calls that still wait raise `SessionClosedError`; iterations over subscriptions end. When cancelled,
        the connection is cut.
        """
        if self._supervisor is None:
            return
        try:
            if self._supervisor.closed is None:
                await self._supervisor.say_goodbye()
        finally:
            self._stop()

    def _stop(self) -> None:
        assert self._supervisor is not None
        assert self._task is not None
        self._supervisor.finish(SessionClosedError("the client is closed"), by_user=True)
        self._task.cancel()

    async def wait_connected(self) -> None:
        """Waits until there is a connection and all subscriptions stand.

        Raises:
            SessionClosedError: the client has closed for good.
        """
        supervisor = self._calls.open()
        await supervisor.changes.until(lambda: supervisor.up or supervisor.closed is not None)
        self._calls.open()

    async def wait_disconnected(self) -> None:
        """Waits until the connection is lost or closed; `wait_connected` then waits until it is back."""
        supervisor = self._entered()
        await supervisor.changes.until(lambda: not supervisor.up)

    async def wait_closed(self) -> None:
        """Waits until the client is closed: by `aclose`, or for good by the server. Then raises nothing."""
        supervisor = self._entered()
        await supervisor.changes.until(lambda: supervisor.closed is not None)

    @property
    def dialer(self) -> Dialer:
        """What makes its connections, but those to a URL that the server names."""
        return self._dialer

    @property
    def connected(self) -> bool:
        """Whether there is a connection and all subscriptions stand."""
        return self._supervisor is not None and self._supervisor.up

    @property
    def session_id(self) -> str | None:
        """The server's id of the present, or else the last, session."""
        welcome = self._supervisor.welcome if self._supervisor else None
        return welcome.session if welcome else None

    @property
    def user_name(self) -> str | None:
        """The member that the session belonged to at CONNECT, where the server says it."""
        welcome = self._supervisor.welcome if self._supervisor else None
        return welcome.user_name if welcome else None

    def statistics(self) -> ClientStatistics:
        """Figures at this moment."""
        return self._entered().statistics()

    def _entered(self) -> Supervisor:
        if self._supervisor is None:
            raise LocalProtocolError("the client is not connected; use it as `async with client:`")
        return self._supervisor

    def _report(self, error: RequestError) -> None:
        logger.warning("soft error that no call waits for: %s (error id %s)", error, error.error_id)
        if self._options.on_error is not None:
            try:
                self._options.on_error(error)
            except Exception:
                # It is called from the socket's callback: what it does wrong must not cost the connection.
                logger.exception("on_error failed")

    # Sending.

    async def send(
        self,
        destination: str,
        body: Any = b"",
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
        receipt: bool = True,
        timeout_s: float | None = 30.0,
    ) -> None:
        """Sends a message.

        Args:
            destination: where to.
            body: bytes and str go as they are, everything else (Struct, dataclass, TypedDict, pydantic model,
                builtins) as JSON.
            headers: further headers; the message's receivers get them.
            content_type: MIME type; by default what ``body`` is encoded to.
            receipt: whether to wait until the server confirms it. Without, the call returns when the frame
                was written, or waits to be; soft errors about it go to ``on_error``.
            timeout_s: longest wait in seconds; for ever where ``None``.

        Raises:
            RequestError: the server refused it; it was not delivered.
            LimitError: too much waits for a connection already; the message is not sent.
            TimeoutError: no word from the server in time. A message that still waited is withdrawn; of
                another one, nothing is known.
            SessionClosedError: the connection broke before the server confirmed the message, so nothing is
                known of it; or the client is closed.
        """
        courier = self._calls.open().courier
        frame = Outgoing("SEND", *encode_send(destination, body, headers, content_type))
        if not receipt and courier.offer(frame) is None:
            return
        if receipt:
            frame.receipt = courier.next_name()
            frame.outcome = asyncio.get_running_loop().create_future()
        await self._calls.outcome(frame, timeout_s)

    @overload
    async def request(
        self,
        destination: str,
        body: Any,
        reply_type: type[T],
        *,
        headers: Mapping[str, str] = ...,
        content_type: str | None = ...,
        timeout_s: float | None = ...,
    ) -> T: ...

    @overload
    async def request(
        self,
        destination: str,
        body: Any = ...,
        reply_type: Any = ...,
        *,
        headers: Mapping[str, str] = ...,
        content_type: str | None = ...,
        timeout_s: float | None = ...,
    ) -> Any: ...

    async def request(
        self,
        destination: str,
        body: Any = b"",
        reply_type: Any = bytes,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        content_type: str | None = None,
        timeout_s: float | None = 30.0,
    ) -> Any:
        """Sends a message and waits for the handler's answer.

        It asks for a RECEIPT, too: where that comes first, there was nothing to answer.

        Args:
            destination: of a handler that answers the asking session.
            body: as for `send`.
            reply_type: what the answer is decoded to; bytes and str take it as it is.
            headers: as for `send`.
            content_type: as for `send`.
            timeout_s: longest wait in seconds; for ever where ``None``.

        Raises:
            RequestError: the server answered with a soft error; or, with the code ``no-reply``, it confirmed the
                request without an answer: the handler returned nothing, or the destination has no handler.
            RemoteProtocolError: the answer does not have the type that was asked for.
            TimeoutError: no answer in time.
            LimitError: as for `send`.
            SessionClosedError: as for `send`; the request may have been handled.
        """
        decode = decoder(reply_type)
        courier = self._calls.open().courier
        code = courier.next_name()
        frame = Outgoing(
            "SEND",
            *encode_send(destination, body, {**headers, REQUEST_CODE: code}, content_type),
            receipt=courier.next_name(),
            code=code,
        )
        frame.outcome = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(timeout_s):
            await self._listen_for_replies()
            answer = await self._calls.outcome(frame, None)
        try:
            return decode(answer)
        except Problem as problem:
            raise RemoteProtocolError(
                f"the answer of {destination} has an unexpected body: {problem.detail}"
            ) from problem

    async def _listen_for_replies(self) -> None:
        """Subscribes to the reply destination at the first request."""
        courier = self._calls.open().courier
        if self._replies is None or self._replies.error is not None:
            self._replies = Standing("replies", self._options.reply_destination, courier.on_reply)
            courier.subscribe(self._replies)
        if not self._replies.live:
            await self._replies.wait_live()

    def transaction(self, *, timeout_s: float | None = 30.0) -> Transaction:
        """Messages and acknowledgements that take effect together, to be entered with ``async with``; see
        `Transaction`.

        Args:
            timeout_s: longest wait for the server to confirm it, in seconds; for ever where ``None``.
        """
        options = self._options
        return Transaction(self._calls, timeout_s, options.max_queued_sends, options.max_queued_bytes)

    # Subscribing.

    @overload
    def subscribe(
        self,
        destination: str,
        body_type: type[T],
        *,
        ack: AckMode = ...,
        prefetch: int | None = ...,
        headers: Mapping[str, str] = ...,
        max_queued: int = ...,
        max_queued_bytes: int = ...,
        overflow: Overflow = ...,
    ) -> Subscription[T]: ...

    @overload
    def subscribe(
        self,
        destination: str,
        body_type: Any = ...,
        *,
        ack: AckMode = ...,
        prefetch: int | None = ...,
        headers: Mapping[str, str] = ...,
        max_queued: int = ...,
        max_queued_bytes: int = ...,
        overflow: Overflow = ...,
    ) -> Subscription[Any]: ...

    def subscribe(
        self,
        destination: str,
        body_type: Any = bytes,
        *,
        ack: AckMode = "auto",
        prefetch: int | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
        max_queued: int = 1000,
        max_queued_bytes: int = 8 * 1024 * 1024,
        overflow: Overflow = Overflow.FAIL,
    ) -> Subscription[Any]:
        """A subscription, to be entered with ``async with``; see `Subscription`.

        Args:
            destination: what to subscribe to.
            body_type: what bodies are decoded to when they are taken; bytes and str take them as they are.
            ack: how messages are acknowledged, by `Received.ack`: ``auto``, when the server has written them;
                ``client``, each with all before it; ``client-individual``, each by itself.
            prefetch: how many the server delivers before the first of them is acknowledged; by default its own number.
            headers: further headers of the SUBSCRIBE frame.
            max_queued: messages that may wait to be taken.
            max_queued_bytes: bytes of their bodies; one message of any size fits into an empty queue.
            overflow: what happens beyond that.

        Entering waits for a connection where there is none. It raises `RequestError` when the server refuses
        the subscription, and `SessionClosedError` when the client is closed.
        """
        check_headers(destination, headers)
        check_mode(ack, prefetch, headers, max_queued, overflow is Overflow.FAIL)
        return Subscription(
            self._calls,
            destination,
            decoder(body_type),
            ack=ack,
            prefetch=prefetch,
            headers=headers,
            max_queued=max_queued,
            max_queued_bytes=max_queued_bytes,
            overflow=overflow,
        )
