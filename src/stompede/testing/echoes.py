"""The services that sockjs-protocol and sockjs-client test against: plain SockJS, without STOMP.

``/echo`` sends back what it gets, also as ``/disabled_websocket_echo`` and ``/cookie_needed_echo``; ``/close`` closes
at once; ``/amplify`` answers a number n with 2 to the power of n characters; ``/broadcast`` sends to everybody what one
says. Raw WebSocket is at ``/echo/websocket``.

    app = Stompede()
    mount_echoes(app)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, final

from stompede import Stompede
from stompede.server.fanout.outbox import Offer, Outbox, OutboxCounters
from stompede.transports import Receiver, Refusal, Transport
from stompede.transports.sockjs import SockJsOptions, SockJsService

ALL_TRANSPORTS: Final = (
    "websocket", "xhr-streaming", "xhr-polling", "eventsource", "htmlfile", "jsonp-polling", "iframe",
)  # fmt: skip
_MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
_MAX_POWER: Final = 19
_TOO_SLOW: Final = (3001, "messages are taken too slowly")
# The suite wants to see a streaming response end without having to fill it.
STREAM_BYTES: Final = 4096


@final
class Conversation:
    """One connection: keeps what its transport does not take; a `Receiver`.

    Args:
        transport: the connection.
        heard: called with each message.
        gone: called at the end.
    """

    def __init__(
        self,
        transport: Transport,
        heard: Callable[[Conversation, bytes], None],
        gone: Callable[[Conversation], None],
    ) -> None:
        self._transport = transport
        self._heard = heard
        self._gone = gone
        self._outbox = Outbox(transport.write, _MAX_WAITING_BYTES, OutboxCounters(), self._overflow)

    def say(self, message: bytes) -> None:
        """Sends one message."""
        data = self._transport.framing.header(len(message), True) + message
        if not self._outbox.closed and self._outbox.send(data) is Offer.OVERFLOW:
            self._overflow()

    def close(self, code: int, reason: str) -> None:
        """Sends what waits, and closes."""
        self._outbox.flush_last(b"")
        self._outbox.close()
        self._transport.close(code, reason)

    def _overflow(self) -> None:
        self._outbox.close()
        self._transport.close(*_TOO_SLOW)

    def received(self, data: bytes) -> None:
        """See `Receiver`."""
        self._heard(self, data)

    def alive(self) -> None:
        """See `Receiver`."""

    def paused(self) -> None:
        """See `Receiver`."""
        self._outbox.block(0.0)

    def resumed(self) -> None:
        """See `Receiver`."""
        self._outbox.drain()

    def broke(self, code: int, reason: str) -> None:
        """See `Receiver`."""
        self._transport.close(code, reason)

    def finished(self) -> None:
        """See `Receiver`."""
        self._transport.close(1000, "")

    def lost(self, code: int | None, reason: str) -> None:  # noqa: ARG002 - the boundary's signature
        """See `Receiver`."""
        self._outbox.close()
        self._gone(self)


@final
class Service:
    """Conversations that do something with each message; an `Acceptor`.

    Args:
        heard: what is done, given everybody who is here, who spoke, and what was said.
        greeted: what is done first.
    """

    def __init__(
        self,
        heard: Callable[[list[Conversation], Conversation, bytes], None],
        greeted: Callable[[Conversation], None] | None = None,
    ) -> None:
        self._act = heard
        self._greeted = greeted
        self._present: dict[Conversation, None] = {}

    def refuse(self, address: str = "") -> Refusal | None:  # noqa: ARG002 - the boundary's signature
        """Everybody may come."""
        return None

    def accept(self, transport: Transport) -> Receiver:
        """See `stompede.transports.Acceptor`."""
        conversation = Conversation(transport, self._heard, self._gone)
        self._present[conversation] = None
        if self._greeted is not None:
            asyncio.get_running_loop().call_soon(self._greeted, conversation)
        return conversation

    def _heard(self, who: Conversation, message: bytes) -> None:
        self._act(list(self._present), who, message)

    def _gone(self, who: Conversation) -> None:
        self._present.pop(who, None)


def _echo(_: list[Conversation], who: Conversation, message: bytes) -> None:
    who.say(message)


def _amplify(_: list[Conversation], who: Conversation, message: bytes) -> None:
    try:
        power = int(float(message))
    except (ValueError, OverflowError):
        power = 1
    who.say(b"x" * 2 ** (power if 0 < power < _MAX_POWER else 1))


def _broadcast(present: list[Conversation], _: Conversation, message: bytes) -> None:
    for conversation in present:
        conversation.say(message)


def _ignore(_: list[Conversation], __: Conversation, ___: bytes) -> None:
    """Nobody listens."""


def _go_away(who: Conversation) -> None:
    who.close(3000, "Go away!")


def mount_echoes(app: Stompede) -> None:
    """Adds the services to an application that has not started."""
    settings = app.settings
    without_websocket = tuple(name for name in ALL_TRANSPORTS if name != "websocket")

    def mount(
        path: str, service: Service, transports: tuple[str, ...] = ALL_TRANSPORTS, *, cookie: bool = False
    ) -> None:
        options = SockJsOptions(
            transports=transports,
            heart_beat_s=settings.sockjs_heart_beat_s,
            disconnect_delay_s=settings.sockjs_disconnect_delay_s,
            stream_bytes=STREAM_BYTES,
            max_post_bytes=settings.sockjs_max_post_bytes,
            max_message_bytes=settings.max_message_bytes,
            max_posts=settings.sockjs_max_posts,
            cookie=cookie,
            client_url=settings.sockjs_client_url,
        )
        app._endpoints.add(SockJsService(path, service, app._rules, options))

    mount("/echo", Service(_echo))
    mount("/disabled_websocket_echo", Service(_echo), without_websocket)
    mount("/cookie_needed_echo", Service(_echo), cookie=True)
    mount("/close", Service(_ignore, _go_away))
    mount("/amplify", Service(_amplify))
    mount("/broadcast", Service(_broadcast))
