"""The catalogue of an application: every destination with its messages' schemas, as an AsyncAPI 3.0 document.

It is made from what was registered and the types of its functions; nothing is written twice. Operations are
named from the application's side, as AsyncAPI wants it: it *receives* what clients SEND, and *sends* what
they get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Literal, final, get_args, get_origin

import msgspec

from stompede.messaging._document import Document, Schema
from stompede.messaging.binding import NO_BODY, BoundHandler
from stompede.messaging.codecs import type_name
from stompede.messaging.destinations import Prefixes
from stompede.messaging.errors_to_client import ErrorBody
from stompede.messaging.guards import OPERATIONS, Operation
from stompede.messaging.patterns import Pattern
from stompede.messaging.schemas import members


class _Handler(msgspec.Struct, frozen=True):
    handler: BoundHandler
    reply: bool


class _Publication(msgspec.Struct, frozen=True):
    pattern: Pattern
    types: tuple[Any, ...]
    description: str


class _Guard(msgspec.Struct, frozen=True):
    pattern: Pattern
    on: tuple[Operation, ...]


_NO_SERVERS: Final[Mapping[str, Schema]] = MappingProxyType({})
_QUEUE: Final = (
    "A queue: each message goes to one consumer, and waits until that has acknowledged it (`ack`)."
)


def server_entry(host: str, pathname: str, *, secure: bool) -> Schema:
    """An endpoint, as AsyncAPI names it: its ``host:port``, its path, and whether TLS is spoken there."""
    return {
        "host": host,
        "pathname": pathname,
        "protocol": "wss" if secure else "ws",
        "description": "STOMP 1.0, 1.1 and 1.2 over WebSocket: subprotocols v12.stomp, v11.stomp, v10.stomp.",
    }


@final
class Catalogue:
    """Gathers what an application serves and publishes.

    Args:
        title: name of the application.
        version: its version.
        description: what it is, in Markdown.
        prefixes: the prefixes of its destinations.
    """

    def __init__(
        self, *, title: str, version: str, description: str = "", prefixes: Prefixes | None = None
    ) -> None:
        self._info = {
            "title": title,
            "version": version,
            **({"description": description} if description else {}),
        }
        self._prefixes = prefixes or Prefixes()
        self._servers: dict[str, Schema] = {}
        self._messages: list[_Handler] = []
        self._subscribes: list[BoundHandler] = []
        self._publications: list[_Publication] = []
        self._guards: list[_Guard] = []
        self._queues: dict[str, Mapping[str, Any]] = {}

    def add_server(self, name: str, *, host: str, pathname: str, secure: bool = False) -> None:
        """Adds an endpoint: its name, ``host:port``, path, and whether TLS is spoken there."""
        self._servers[name] = server_entry(host, pathname, secure=secure)

    def add_message_handler(self, handler: BoundHandler, *, reply: bool) -> None:
        """Adds a handler of SENDs; ``reply``: whether its result goes back to the asking session."""
        self._messages.append(_Handler(handler, reply))

    def add_subscribe_handler(self, handler: BoundHandler) -> None:
        """Adds a handler that answers SUBSCRIBEs."""
        self._subscribes.append(handler)

    def add_guard(self, pattern: str | Pattern, on: Sequence[Operation] = OPERATIONS) -> None:
        """Adds a guard: its destinations and operations show that they are guarded."""
        self._guards.append(_Guard(_parsed(pattern), tuple(on)))

    def add_publication(
        self, destination: str | Pattern, types: Sequence[Any] = (), *, description: str = ""
    ) -> None:
        """Adds what is published otherwise than as the result of a handler.

        Args:
            destination: a destination or pattern with its prefix.
            types: types of the messages, where they are known.
            description: what it is for.
        """
        self._publications.append(_Publication(_parsed(destination), tuple(types), description))

    def add_queue(self, pattern: str | Pattern, bounds: Mapping[str, Any]) -> None:
        """Adds the bounds of a queue, for ``x-queue`` of its channel."""
        parsed = _parsed(pattern)
        self._queues[parsed.text] = bounds
        self._publications.append(_Publication(parsed, (), ""))

    def document(self, servers: Mapping[str, Schema] = _NO_SERVERS) -> dict[str, Any]:
        """Makes the AsyncAPI 3.0 document: plain dicts and lists, ready for JSON.

        Args:
            servers: where clients connect, entries of `server_entry` by name; beside those of `add_server`.
        """
        document = Document(self._info, {**self._servers, **servers}, self._types())
        for entry in self._messages:
            self._message_handler(document, entry)
        for handler in self._subscribes:
            self._subscribe_handler(document, handler)
        for publication in self._publications:
            channel = self._channel(document, publication.pattern, description=publication.description)
            if publication.types:
                names = [document.message(t, "message") for t in publication.types]
                document.operation(
                    f"publish {publication.pattern}",
                    "send",
                    channel,
                    names,
                    guarded=self._guarded(publication.pattern),
                )
        self._errors(document)
        return document.finished()

    def _types(self) -> list[Any]:
        types: list[Any] = [ErrorBody]
        for handler in [entry.handler for entry in self._messages] + self._subscribes:
            types += members(handler.result_type)
            types += [] if handler.body_type is NO_BODY else [handler.body_type]
            types += [header.annotation for header in handler.headers]
        for publication in self._publications:
            types += publication.types
        return types

    def _message_handler(self, document: Document, entry: _Handler) -> None:
        handler = entry.handler
        address = self._address(handler)
        channel = self._channel(document, address, path_types=handler.path_types)
        message = document.request(handler.name, handler.body_type, handler.headers)
        results = members(handler.result_type)
        reply = None
        if entry.reply:
            channel_of_replies = document.channel(
                self._prefixes.replies,
                description="Answers to the asking session alone; `client-request-code` is that of its SEND.",
            )
            reply = document.reply(channel_of_replies, [document.message(t, "reply") for t in results])
        document.operation(
            handler.name,
            "receive",
            channel,
            [message],
            doc=handler.doc,
            reply=reply,
            guarded=handler.requires_login or self._guarded(address),
        )
        if handler.publish is not None and results:
            path_types = {name: handler.path_types[name] for name in handler.publish.variables}
            topic = self._channel(document, handler.publish, path_types=path_types)
            names = [document.message(t, "message") for t in results]
            document.operation(
                f"{handler.name} publish",
                "send",
                topic,
                names,
                doc=f"What {handler.name} returns.",
                guarded=self._guarded(handler.publish),
            )

    def _subscribe_handler(self, document: Document, handler: BoundHandler) -> None:
        address = self._address(handler)
        channel = self._channel(document, address, path_types=handler.path_types)
        names = [document.message(t, "answer") for t in members(handler.result_type)]
        document.operation(
            handler.name,
            "send",
            channel,
            names,
            doc=handler.doc or "Answered once, directly, when a client subscribes.",
            guarded=handler.requires_login or self._guarded(address),
        )

    def _errors(self, document: Document) -> None:
        channel = document.channel(
            self._prefixes.errors,
            description="What could not be served, told to the session alone; it lives on. "
            "`client-request-code` and `receipt-id` are those of the frame; `ended-subscription` is the id of a "
            "subscription that the server has ended.",
        )
        document.operation("error", "send", channel, [document.message(ErrorBody, "error")])

    def _address(self, handler: BoundHandler) -> Pattern:
        return Pattern.parse(f"{self._prefixes.app[0]}{handler.pattern}")

    def _channel(
        self,
        document: Document,
        pattern: Pattern,
        *,
        path_types: Mapping[str, Any] | None = None,
        description: str = "",
    ) -> str:
        types = path_types or {}
        guards = [
            {"pattern": guard.pattern.text, "on": list(guard.on)}
            for guard in self._guards
            if guard.pattern.overlaps(pattern)
        ]
        prefix = self._prefixes.app[0]
        also = [
            f"{other}{pattern.text.removeprefix(prefix)}"
            for other in self._prefixes.app[1:]
            if pattern.text.startswith(f"{prefix}/")
        ]
        if self._prefixes.is_queued(pattern.text):
            description = f"{description} {_QUEUE}".strip()
        return document.channel(
            pattern.text,
            description=description,
            parameters={name: _parameter(types.get(name, str)) for name in pattern.variables},
            extensions={"x-guards": guards, "x-also": also, "x-queue": self._queues.get(pattern.text)},
        )

    def _guarded(self, pattern: Pattern) -> bool:
        # A guard of either operation guards both: what no guard of a guarded name allows is denied.
        return any(guard.pattern.overlaps(pattern) for guard in self._guards)


def _parsed(pattern: str | Pattern) -> Pattern:
    return Pattern.parse(pattern, "catalogue") if isinstance(pattern, str) else pattern


def _parameter(annotation: Any) -> Schema:
    parameter: Schema = {"description": type_name(annotation)}
    if get_origin(annotation) is Literal:
        parameter["enum"] = [str(value) for value in get_args(annotation)]
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        parameter["enum"] = [str(member.value) for member in annotation]
    return parameter
