"""What the application sees of a session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stompede._types import NO_HEADERS, Principal


class StompSession:
    """One client's STOMP session, as handlers, guards and interceptors see it.

    The server makes it, by its own subclass, and is the only one to change who the principal is.

    Attributes:
        id: unique id of the session among all nodes; the ``session`` header of CONNECTED.
        node_id: id of the node that holds the connection.
        client_address: where the client connects from, ``host:port`` or as a trusted proxy names it; "" when
            unknown.
        version: STOMP version that was negotiated: ``1.0``, ``1.1`` or ``1.2``; "" before CONNECTED.
        headers: headers of the CONNECT frame, read-only and without secrets.
    """

    __slots__ = (
        "__weakref__",
        "_attributes",
        "_principal",
        "client_address",
        "headers",
        "id",
        "node_id",
        "version",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the name that the application sees
        node_id: str,
        client_address: str = "",
        version: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
        principal: Principal | None = None,
    ) -> None:
        self.id = id
        self.node_id = node_id
        self.client_address = client_address
        self.version = version
        self.headers = headers
        self._principal = principal
        self._attributes: dict[str, Any] | None = None

    @property
    def principal(self) -> Principal | None:
        """The member that the session belongs to; ``None`` while it is anonymous."""
        return self._principal

    @property
    def attributes(self) -> dict[str, Any]:
        """The application's own notes about the session; they end with it and never leave the node."""
        # Made at first use: most of many thousand idle sessions never need it.
        if self._attributes is None:
            self._attributes = {}
        return self._attributes

    def __repr__(self) -> str:
        who = self._principal.name if self._principal else "anonymous"
        return f"<{type(self).__name__} {self.id} of {who}>"
