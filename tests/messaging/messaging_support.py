"""What the tests of the binding share: a session, invocations, and a pool that shows what ran in it."""

import asyncio
import threading
from typing import Any

from stompede._types import Principal
from stompede.messaging.binding import bind_handler
from stompede.messaging.invocation import Invocation
from stompede.messaging.message import Message
from stompede.messaging.session import StompSession

SESSION = StompSession(id="s-1", node_id="n-1", version="1.2")
COOK = Principal("cook")


class Pool:
    """Runs functions in threads, as the server does, and notes which."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def __call__(self, func: Any, /, *args: Any) -> Any:
        self.ran.append(getattr(func, "__name__", type(func).__name__))
        return await asyncio.to_thread(func, *args)


def invocation(
    body: bytes = b"",
    *,
    path: dict[str, str] | None = None,
    principal: Principal | None = None,
    headers: dict[str, str] | None = None,
    content_type: str | None = None,
    destination: str = "/app/x",
) -> Invocation:
    return Invocation(Message(destination, body, content_type, headers or {}), SESSION, principal, path or {})


def bound(func: Any, pattern: str = "/x", *, pool: Any = None, kind: Any = "message", **options: Any) -> Any:
    return bind_handler(func, pattern=pattern, kind=kind, run_blocking=pool or Pool(), **options)


async def call(
    func: Any, pattern: str = "/x", *, pool: Any = None, kind: Any = "message", **given: Any
) -> Any:
    """Binds a handler and calls it once."""
    handler = bound(func, pattern, pool=pool, kind=kind)
    return await handler.call(invocation(given.pop("body", b""), **given))


def on_the_loop() -> bool:
    return threading.current_thread() is threading.main_thread()
