"""The catalogue of an application's destinations, as an AsyncAPI 3.0 document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

from stompede.messaging.binding import BoundHandler
from stompede.messaging.destinations import Prefixes
from stompede.messaging.guards import Operation


@final
class Catalogue:
    def __init__(
        self, *, title: str, version: str, description: str = "", prefixes: Prefixes | None = None
    ) -> None: ...

    def add_server(self, name: str, *, host: str, pathname: str, secure: bool = False) -> None: ...
    def add_message_handler(self, handler: BoundHandler, *, reply: bool) -> None: ...
    def add_subscribe_handler(self, handler: BoundHandler) -> None: ...
    def add_guard(self, pattern: str, on: Sequence[Operation]) -> None: ...
    def add_publication(self, destination: str, types: Sequence[Any], *, description: str = "") -> None:
        """A topic, queue or user destination that the application publishes by `app.publish` or `app.destination`."""

    def document(self) -> dict[str, Any]:
        raise NotImplementedError
