"""What interceptors see of a client's frames: one frozen object per command.

An interceptor changes a command by returning a changed copy: ``msgspec.structs.replace(command, ...)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import msgspec

from stompede._types import NO_HEADERS
from stompede.messaging.message import Message


class Command(msgspec.Struct, frozen=True):
    """What a client asks for; annotate an interceptor with it to see every command."""


@final
class ConnectCommand(Command, frozen=True):
    """CONNECT or STOMP, after the login or token was checked and before CONNECTED is sent.

    Attributes:
        host: the ``host`` header, ``None`` where the client named none.
        login: the name of the ``login`` header; the passcode is never shown.
        headers: the frame's other headers, without secrets.
    """

    host: str | None = None
    login: str | None = None
    headers: Mapping[str, str] = NO_HEADERS


@final
class SendCommand(Command, frozen=True):
    """SEND.

    Attributes:
        message: destination, body, content type and headers.
        receipt: the receipt that the client asks for; changing it changes nothing.
    """

    message: Message
    receipt: str | None = None

    @property
    def destination(self) -> str:
        """The message's destination."""
        return self.message.destination


@final
class SubscribeCommand(Command, frozen=True):
    """SUBSCRIBE.

    Attributes:
        id: the client's id of the subscription; changing it changes nothing.
        destination: what it subscribes to.
        ack: ``auto``, ``client`` or ``client-individual``; changing it changes nothing.
        headers: the frame's other headers, without secrets.
    """

    id: str
    destination: str
    ack: str = "auto"
    headers: Mapping[str, str] = NO_HEADERS


@final
class UnsubscribeCommand(Command, frozen=True):
    """UNSUBSCRIBE.

    Attributes:
        id: the client's id of the subscription.
        destination: what was subscribed to under that id.
    """

    id: str
    destination: str


@final
class DisconnectCommand(Command, frozen=True):
    """DISCONNECT.

    Attributes:
        headers: the frame's headers, without secrets.
    """

    headers: Mapping[str, str] = NO_HEADERS


@final
class Answer(msgspec.Struct, frozen=True):
    """An interceptor's own answer to a SEND or SUBSCRIBE.

    It goes to the asking session like the value of a handler, and the command goes no further: no handler, no
    publication, no subscription.

    Attributes:
        value: what is sent; encoded as a handler's result would be.
    """

    value: Any
