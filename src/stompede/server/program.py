"""What an application told its node to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from stompede._types import Principal
from stompede.messaging.errors_to_client import ErrorHandlers
from stompede.messaging.guards import Guards
from stompede.messaging.interceptors import InterceptorChain
from stompede.messaging.routing import Router
from stompede.server.events import SessionEvents
from stompede.server.handlers.routes import Served
from stompede.server.options import DestinationOptions

Authenticate = Callable[..., Principal | Awaitable[Principal]]


class Program(msgspec.Struct):
    """What the application told the node to do.

    Attributes:
        messages: handlers of SEND, by pattern.
        subscribes: handlers of SUBSCRIBE, by pattern.
        guards: guards, by pattern.
        interceptors: in order.
        errors: handlers of exceptions.
        events: listeners of sessions.
        destinations: how destinations behave, by pattern.
        authenticate: proves login and passcode of CONNECT; ``None``: the two are not looked at.
        presence_info: what is told of a member that is on a destination; ``None``: nothing but its name.
    """

    messages: Router[Served]
    subscribes: Router[Served]
    guards: Guards
    interceptors: InterceptorChain
    errors: ErrorHandlers
    events: SessionEvents
    destinations: Router[DestinationOptions]
    authenticate: Authenticate | None = None
    presence_info: Callable[..., Any] | None = None
