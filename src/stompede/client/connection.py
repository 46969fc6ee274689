"""One connection of a client: a link below, the wire session beside it, the client above.

It knows STOMP's frames and deadlines, and nothing of subscriptions, queues or reconnecting. One timer serves
all deadlines of the connection. It is not moved when traffic moves the deadline: when it rings too early, it
asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, assert_never, final

import msgspec

from stompede.client.endings import Ending, ending
from stompede.client.frames import Outgoing
from stompede.client.link import Dialer, Link
from stompede.client.moves import move_from
from stompede.server.session.disconnects import Disconnects
from stompede.wire import stomp

AUTHORIZATION: Final = "Authorization"
# What may need a principal. The others are about what the session has already, and a token that ran out must not keep
# them from being heard.
PROVEN: Final = frozenset({"SEND", "SUBSCRIBE", "COMMIT"})
# STOMP 1.2 "ERROR": the server must close right after it. This is for one that does not.
CLOSE_AFTER_ERROR_S: Final = 2.0
CODES: Final[Mapping[str, int]] = {row.reason: row.code for row in Disconnects}


class ConnectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What CONNECT says, and the bounds of what is received.

    Attributes:
        host: ``host`` header, the virtual host.
        login: ``login`` header.
        passcode: ``passcode`` header.
        headers: further headers of CONNECT.
        heart_beat: what this side can send and wants to receive.
        limits: bounds of received frames.
    """

    host: str
    login: str | None
    passcode: str | None
    headers: Mapping[str, str]
    heart_beat: stomp.HeartBeat
    limits: stomp.Limits


class ConnectionEvents(Protocol):
    """What a connection tells the client. Called on the loop; nothing waits."""

    def on_message(self, headers: Mapping[str, str], body: bytes) -> None:
        """A MESSAGE arrived."""
        ...

    def on_receipt(self, receipt: str, headers: Mapping[str, str]) -> None:
        """A RECEIPT arrived, and said this besides."""
        ...

    def on_paused(self) -> None:
        """The link takes no more for now."""
        ...

    def on_resumed(self) -> None:
        """The link takes bytes again."""
        ...


class Welcome(msgspec.Struct, frozen=True):
    """What CONNECTED said.

    Attributes:
        session: the server's id of the session.
        version: the negotiated version.
        user_name: name of the member that the session belongs to, where the server says it.
        server: what the server calls itself.
    """

    session: str | None
    version: str
    user_name: str | None
    server: str | None


@final
class Connection:
    """See the module."""

    def __init__(
        self,
        events: ConnectionEvents,
        settings: ConnectSettings,
        loop: asyncio.AbstractEventLoop,
        on_change: Callable[[], None],
    ) -> None:
        self._events = events
        self._on_change = on_change
        self._given_up = False
        self._settings = settings
        self._loop = loop
        self._wire = stomp.ClientSession(limits=settings.limits, heart_beat=settings.heart_beat)
        self._link: Link | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._welcomed: asyncio.Future[Welcome] = loop.create_future()
        self._told: Ending | None = None
        self._error: stomp.ErrorReceived | None = None
        self._farewell_receipt: str | None = None
        self.farewell = False
        self.ending: Ending | None = None
        self.bytes_in = 0
        self.bytes_out = 0

    async def open(self, dialer: Dialer, authorization: str | None) -> Welcome:
        """Dials, sends CONNECT, and waits for CONNECTED.

        Raises:
            DialError: no link could be made.
            SessionClosedError: the server refused CONNECT, or the link broke; `ending` says whether to come
                back.
        """
        link = await dialer(self)
        if self.ending is not None:
            raise self.ending.error()
        self._link = link
        settings = self._settings
        headers = dict(settings.headers)
        if authorization is not None:
            headers[AUTHORIZATION] = authorization
        self._write(
            self._wire.send_connect(
                host=settings.host,
                login=settings.login,
                passcode=settings.passcode,
                headers=headers,
                now=self._loop.time(),
            )
        )
        return await self._welcomed

    # Out.

    def send(self, frame: Outgoing, authorization: str | None) -> None:
        """Writes a frame; what a member sends carries the newest token. After an ERROR frame the server reads
        nothing more.
        """
        if self._wire.state is not stomp.State.CONNECTED:
            return
        headers = frame.headers
        if authorization is not None and frame.command in PROVEN:
            headers = {AUTHORIZATION: authorization, **headers}
        if frame.receipt is not None:
            headers = {**headers, "receipt": frame.receipt}
        self._write(self._wire.send_frame(frame.command, headers, frame.body))

    def disconnect(self, receipt: str) -> None:
        """Writes DISCONNECT. `farewell` becomes true when the server has confirmed it, and with it all
        frames before.
        """
        if self._wire.state is not stomp.State.CONNECTED:
            return
        self._farewell_receipt = receipt
        self._write(self._wire.send_disconnect(receipt))

    def _write(self, data: bytes) -> None:
        if self._link is not None and not self._given_up:
            self.bytes_out += len(data)
            self._link.write(data)
            self._wire.note_sent(self._loop.time())

    def close(self) -> None:
        """Closes the link in order; ``on_change`` is called when the peer agrees."""
        self._stop_timer()
        if self._link is not None:
            self._link.close(1000, "")

    def abort(self) -> None:
        """Ends the link at once; nothing is told to the client any more but the end. Idempotent."""
        self._given_up = True
        self._stop_timer()
        if self._link is not None and self.ending is None:
            self._link.abort()

    # In: `LinkEvents`.

    def received(self, data: bytes) -> None:
        """Payload of one message."""
        if self._given_up:
            return
        self.bytes_in += len(data)
        self._wire.receive_data(data, self._loop.time())
        while not self._given_up and (event := self._wire.next_event()) is not None:
            self._on_event(event)

    def paused(self) -> None:
        """The link takes no more for now."""
        if not self._given_up:
            self._events.on_paused()

    def resumed(self) -> None:
        """The link takes bytes again."""
        if not self._given_up:
            self._events.on_resumed()

    def lost(self, code: int | None, reason: str) -> None:
        """The link has ended."""
        self._end(self._told or self._why(code, reason))

    def _on_event(self, event: stomp.ClientEvent) -> None:
        match event:
            case stomp.MessageReceived(headers=headers, body=body):
                self._events.on_message(headers, body)
            case stomp.Receipt(receipt_id=receipt, headers=headers):
                self._on_receipt(receipt, headers)
            case stomp.Connected():
                self._on_connected(event)
            case stomp.ErrorReceived():
                self._on_error(event)
            case stomp.ServerViolation():
                self._told = ending(Disconnects.PROTOCOL.code, "", detail=event.detail)
                self._shut(Disconnects.PROTOCOL.code)
            case _:
                assert_never(event)

    def _on_receipt(self, receipt: str, headers: Mapping[str, str]) -> None:
        if receipt == self._farewell_receipt:
            self.farewell = True
            self._on_change()
        else:
            self._events.on_receipt(receipt, headers)

    def _on_connected(self, event: stomp.Connected) -> None:
        if not self._welcomed.done():
            self._welcomed.set_result(
                Welcome(event.session, event.version.value, event.user_name, event.server)
            )
        self._set_timer()

    def _on_error(self, event: stomp.ErrorReceived) -> None:
        """ERROR: the server closes next. Its close code is waited for, but not for ever."""
        self._error = event
        self._events.on_paused()
        self._stop_timer()
        self._timer = self._loop.call_later(CLOSE_AFTER_ERROR_S, self._abort_link)

    def _abort_link(self) -> None:
        if self._link is not None:
            self._link.abort()

    def _why(self, code: int | None, reason: str) -> Ending:
        """What a lost link means, with what an ERROR frame said before."""
        if self._error is None:
            return ending(code, reason)
        headers = self._error.headers
        row = headers.get("disconnect-reason", "")
        said = headers.get("reconnect")
        return ending(
            CODES.get(row, code),
            row or reason,
            detail=self._error.body.decode("utf-8", "replace").strip() or headers.get("message", ""),
            reconnect=None if said is None else said == "true",
            move=move_from(headers),
        )

    # Time.

    def _set_timer(self) -> None:
        when = self._wire.next_deadline()
        self._timer = None if when is None else self._loop.call_at(when, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        now = self._loop.time()
        for due in self._wire.on_deadline(now):
            match due:
                case stomp.Deadline.SEND_HEART_BEAT:
                    if self._link is not None:
                        self._link.write(self._wire.send_heart_beat(now))
                case stomp.Deadline.PEER_SILENT:
                    self._told = ending(
                        None, "server-silent", detail="the heart-beats that the server promised did not come"
                    )
                    self._shut(None)
                    return
                case _:
                    assert_never(due)
        self._set_timer()

    # The end.

    def _shut(self, code: int | None) -> None:
        """Gives the link up without waiting for the peer."""
        self._stop_timer()
        link, why = self._link, self._told
        if link is not None:
            if code is not None:
                link.close(code, "")
            link.abort()
        assert why is not None
        self._end(why)

    def _end(self, why: Ending) -> None:
        if self.ending is not None:
            return
        self.ending = why
        self._given_up = True
        self._stop_timer()
        if not self._welcomed.done():
            self._welcomed.set_exception(why.error())
            self._welcomed.exception()  # `open` may have been cancelled; it is no news then
        self._on_change()
