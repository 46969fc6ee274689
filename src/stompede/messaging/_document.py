"""The AsyncAPI 3.0 document while it is written: channels, messages and operations by their ids."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias, final

from stompede.messaging.arguments import NO_DEFAULT
from stompede.messaging.errors_to_client import ErrorBody
from stompede.messaging.headers import HeaderReader
from stompede.messaging.problem import ERROR_CODES
from stompede.messaging.schemas import describe_types

Schema: TypeAlias = dict[str, Any]

# What a docstring says to programmers, after what it says to everybody.
_SECTIONS: Final = re.compile(r"^\s*(?:Args|Returns|Raises|Yields):\s*$", re.MULTILINE)

_REQUEST_HEADERS: Final[Schema] = {
    "type": "object",
    "description": "Headers of a SEND that the server reads. Others are handed on.",
    "properties": {
        "client-request-code": {
            "type": "string",
            "description": "Any text of the client's own; answers and errors to this frame carry it.",
        },
        "Authorization": {
            "type": "string",
            "description": "`Bearer` and a token. It makes or renews the session's principal and is never "
            "handed on.",
        },
        "receipt": {
            "type": "string",
            "description": "Asks for a RECEIPT with this id when the frame was served.",
        },
        "content-type": {
            "type": "string",
            "description": "Handed on; bodies are read by their declared type.",
        },
    },
}
_ANSWER_HEADERS: Final[Schema] = {
    "type": "object",
    "properties": {
        "client-request-code": {
            "type": "string",
            "description": "That of the frame which is answered, if it had one.",
        },
    },
}
_SUMMARIES: Final = {
    "reply": "to the asking session",
    "answer": "to the subscriber, once",
    "error": "a soft error",
}


@final
class Document:
    """Puts the parts of a document together and keeps their ids apart.

    Args:
        info: title, version and description.
        servers: the servers by name.
        types: every type that `message` and `request` will be asked for.
    """

    def __init__(self, info: Mapping[str, Any], servers: Mapping[str, Schema], types: Sequence[Any]) -> None:
        self._describe, self._schemas = describe_types(types)
        self._info = info
        self._servers = servers
        self._channels: dict[str, Schema] = {}
        self._ids: dict[str, str] = {}  # address without names of variables -> id of its channel
        self._operations: dict[str, Schema] = {}
        self._messages: dict[str, Schema] = {}
        self._guarded = False

    def channel(
        self,
        address: str,
        *,
        description: str = "",
        parameters: Mapping[str, Schema] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> str:
        """Adds a channel, or finds that of the address, however its variables are named; returns its id."""
        shape = re.sub(r"\{\w+\}", "{}", address)
        channel_id = self._ids.get(shape)
        if channel_id is None:
            channel_id = self._ids[shape] = _free(_slug(address), self._channels)
            self._channels[channel_id] = {"address": address, "messages": {}}
        channel = self._channels[channel_id]
        if description:
            channel["description"] = description
        if parameters and address == channel["address"]:
            channel["parameters"] = dict(parameters)
        channel.update({key: value for key, value in (extensions or {}).items() if value})
        return channel_id

    def message(self, annotation: Any, kind: Literal["message", "reply", "answer", "error"]) -> str:
        """Adds a message to clients; returns its id."""
        described = self._describe(annotation)
        message_id = f"{described.name}.{kind}"
        message: Schema = {
            "name": described.name,
            "contentType": described.content_type,
            "payload": described.schema,
        }
        if kind in _SUMMARIES:
            message["summary"] = f"{described.name}, {_SUMMARIES[kind]}"
        if kind in ("reply", "error"):
            message["headers"] = {"$ref": "#/components/schemas/stomp.AnswerHeaders"}
            self._schemas.setdefault("stomp.AnswerHeaders", _ANSWER_HEADERS)
        self._messages[message_id] = message
        return message_id

    def request(self, handler: str, body_type: Any, headers: Sequence[HeaderReader]) -> str:
        """Adds what a handler receives; returns its id."""
        message_id = _free(f"{handler}.send", self._messages)
        message: Schema = {"name": message_id, "headers": self._request_headers(headers)}
        if body_type is not NO_DEFAULT:
            described = self._describe(body_type)
            message |= {
                "name": described.name,
                "contentType": described.content_type,
                "payload": described.schema,
            }
        self._messages[message_id] = message
        return message_id

    def reply(self, channel: str, messages: Sequence[str]) -> Schema:
        """Makes the reply of an operation."""
        return {"channel": _channel_ref(channel), "messages": self._in_channel(channel, messages)}

    def operation(
        self,
        name: str,
        action: Literal["send", "receive"],
        channel: str,
        messages: Sequence[str],
        *,
        doc: str = "",
        reply: Schema | None = None,
        guarded: bool = False,
    ) -> None:
        """Adds an operation; ``doc``'s first line becomes its summary."""
        summary, _, description = _SECTIONS.split(doc, maxsplit=1)[0].partition("\n")
        operation: Schema = {
            "action": action,
            "channel": _channel_ref(channel),
            "messages": self._in_channel(channel, messages),
        }
        if summary:
            operation["summary"] = summary
        if description.strip():
            operation["description"] = description.strip()
        if reply is not None:
            operation["reply"] = reply
        if guarded:
            self._guarded = True
            operation["x-guarded"] = True
            operation["security"] = [{"$ref": "#/components/securitySchemes/token"}]
        self._operations[_free(_slug(name), self._operations)] = operation

    def finished(self) -> Schema:
        """Returns the whole document."""
        self._name_error_codes()
        components: Schema = {"messages": self._messages, "schemas": self._schemas}
        if self._guarded:
            components["securitySchemes"] = {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "In the Authorization header of any frame; CONNECT is the usual one.",
                }
            }
        document: Schema = {
            "asyncapi": "3.0.0",
            "info": dict(self._info),
            "defaultContentType": "application/json",
        }
        if self._servers:
            document["servers"] = dict(self._servers)
        return document | {
            "channels": self._channels,
            "operations": self._operations,
            "components": components,
        }

    def _in_channel(self, channel: str, messages: Sequence[str]) -> list[Schema]:
        # An operation's messages are references into its channel, whose messages are references to the
        # components.
        known = self._channels[channel]["messages"]
        for message in messages:
            known[message] = {"$ref": f"#/components/messages/{message}"}
        return [{"$ref": f"#/channels/{channel}/messages/{message}"} for message in messages]

    def _request_headers(self, headers: Sequence[HeaderReader]) -> Schema:
        self._schemas.setdefault("stomp.RequestHeaders", _REQUEST_HEADERS)
        common: Schema = {"$ref": "#/components/schemas/stomp.RequestHeaders"}
        if not headers:
            return common
        own: Schema = {
            "type": "object",
            "properties": {header.name: self._describe(header.annotation).schema for header in headers},
        }
        if required := [header.name for header in headers if header.required]:
            own["required"] = required
        return {"allOf": [common, own]}

    def _name_error_codes(self) -> None:
        reference: str = self._describe(ErrorBody).schema["$ref"]
        body = self._schemas[reference.rpartition("/")[2]]
        self._schemas["stomp.ErrorCode"] = {
            "type": "string",
            "enum": list(ERROR_CODES),
            "description": "\n".join(f"- `{code}`: {meaning}" for code, meaning in ERROR_CODES.items()),
        }
        body["properties"]["code"] = {
            "anyOf": [
                {"$ref": "#/components/schemas/stomp.ErrorCode"},
                {"type": "string", "description": "A code of the application's own."},
            ]
        }


def _channel_ref(channel: str) -> Schema:
    return {"$ref": f"#/channels/{channel}"}


def _slug(text: str) -> str:
    # Ids stand in references, where slashes and braces would have to be escaped.
    return re.sub(r"[^\w-]+", ".", text).strip(".")


def _free(wanted: str, taken: Mapping[str, Any]) -> str:
    free, count = wanted, 2
    while free in taken:
        free, count = f"{wanted}.{count}", count + 1
    return free
