"""All endpoints of a node, by path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import final

from stompede.transports.asgi import Receive, Scope, Send
from stompede.transports.base import Acceptor
from stompede.transports.sockjs.http import serve_http
from stompede.transports.sockjs.service import SockJsService


@final
class Endpoints:
    """Finds who serves a path.

    Args:
        services: the endpoints, each with a path of its own.
    """

    def __init__(self, services: Iterable[SockJsService]) -> None:
        self._services = list(services)

    def __iter__(self) -> Iterator[SockJsService]:
        return iter(self._services)

    def add(self, service: SockJsService) -> None:
        """One more endpoint."""
        self._services.append(service)

    def websocket(self, path: str) -> Acceptor | None:
        """Who accepts WebSockets at a path; ``None`` for nobody."""
        for service in self._services:
            acceptor = service.websocket(path)
            if acceptor is not None:
                return acceptor
        return None

    def tick(self) -> None:
        """Does what is due, on each; to be called a few times a second."""
        for service in self._services:
            service.tick()

    def close(self) -> None:
        """Ends what is left of all sessions over HTTP. Idempotent."""
        for service in self._services:
            service.close()

    async def serve_http(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Answers a request, unless nobody here serves its path: then it says false and has done nothing."""
        for service in self._services:
            location = service.locate(scope["path"])
            if location is not None:
                await serve_http(service, location, scope, receive, send)
                return True
        return False

    def http(self, path: str) -> SockJsService | None:
        """Which endpoint answers requests to a path; ``None`` for none."""
        for service in self._services:
            if service.locate(path) is not None:
                return service
        return None
