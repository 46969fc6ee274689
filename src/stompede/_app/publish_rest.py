"""Publishing over HTTP, for programs that speak no STOMP: one message, or many in one request."""

# No `from __future__ import annotations` here: the signatures of the routes hold what depends on the application.

import base64
import binascii
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Depends, Request

from stompede._app.rest import ADMIN_SCOPE, Camel, ProblemRoute, asking, refusals
from stompede._types import Principal
from stompede.errors import AuthenticationError, BusError
from stompede.messaging.destinations import Kind
from stompede.messaging.problem import Problem
from stompede.server.fanout.publishing import Publisher

if TYPE_CHECKING:
    from stompede._app.application import Stompede

PUBLISH_SCOPE: Final = "publish"
"""What the token of a publisher allows: ``stompede token shop --scope publish`` makes one."""
MOST_MESSAGES: Final = 1000


class Outgoing(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """One message of a request.

    Attributes:
        destination: a topic or queue; with ``user`` or ``session`` what follows the prefix, for example
            ``/queue/offers``.
        body: any JSON value; a text goes as it is.
        body_base64: instead of ``body``, for bytes.
        content_type: instead of the one that the body suggests.
        headers: further headers, texts.
        user: sends to all sessions of this member.
        session: sends to this session.
    """

    destination: str
    body: Any = msgspec.UNSET
    body_base64: str | None = None
    content_type: str | None = None
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    user: str | None = None
    session: str | None = None


class Published(Camel):
    """How many messages the bus and the queues took."""

    published: int


_decode: Final = msgspec.json.Decoder(list[Outgoing] | Outgoing).decode
_SCHEMA: Final = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
}


def publish_router(app: "Stompede") -> APIRouter:
    """``POST /api/v1/publish``; needs the scope publish or admin."""
    router = APIRouter(
        prefix="/api/v1",
        tags=["publish"],
        route_class=ProblemRoute,
        responses=refusals(
            HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN,
            HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )  # fmt: skip

    @router.post("/publish", summary="Publish one message, or many", openapi_extra=_SCHEMA)
    async def publish(request: Request, _: Annotated[Principal, Depends(_publisher(app))]) -> Published:
        """Publishes `{"destination": "/topic/a", "body": {"x": 1}}`, or a list of such. Messages of one request keep
        their order. All are looked at before the first is published; the answer comes when all were taken.
        """
        publisher = app.node.publisher
        messages = _messages(await _body(request, app.settings.max_publish_bytes))
        values = [_checked(publisher, number, message) for number, message in enumerate(messages)]
        try:
            taken = [_publish(publisher, *pair) for pair in zip(messages, values, strict=True)]
            for outcome in taken:
                if outcome is not None:
                    await outcome
        except BusError as error:
            raise Problem("unavailable", f"messages were not taken, or it is not known: {error}") from error
        return Published(published=len(taken))

    return router


def _publisher(app: "Stompede") -> Callable[..., Awaitable[Principal]]:
    async def who(principal: Annotated[Principal | None, Depends(asking(app))]) -> Principal:
        if principal is None:
            raise AuthenticationError(
                "token-missing", f"send `Authorization: Bearer <token>`, with the scope {PUBLISH_SCOPE}"
            )
        if not {PUBLISH_SCOPE, ADMIN_SCOPE} & set(principal.scopes):
            raise Problem("forbidden", f"the token needs the scope {PUBLISH_SCOPE}")
        return principal

    return who


async def _body(request: Request, most: int) -> bytes:
    """The body, of which no more than the limit is taken into memory."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise Problem("too-large", f"a request may have {most} bytes (max_publish_bytes)")
    return bytes(body)


def _messages(body: bytes) -> list[Outgoing]:
    try:
        found = _decode(body)
    except msgspec.DecodeError as error:
        raise Problem("invalid-body", f"{error}") from None
    messages = found if isinstance(found, list) else [found]
    if len(messages) > MOST_MESSAGES:
        raise Problem(
            "too-large", f"a request may have {MOST_MESSAGES} messages; this one has {len(messages)}"
        )
    return messages


def _checked(publisher: Publisher, number: int, message: Outgoing) -> Any:
    """The body of a message that would be published.

    Raises:
        Problem: it would not; says which of them, and why.
    """
    try:
        if message.user is not None and message.session is not None:
            raise ValueError("user and session: name one of them")
        if message.user is None and message.session is None:
            publisher.check(message.destination, message.headers, message.content_type)
        else:
            publisher.check_user(_kind(message), message.destination, message.headers, message.content_type)
        if message.body_base64 is None:
            if message.body is msgspec.UNSET:
                raise ValueError("give a body, or bodyBase64")
            return message.body
        return base64.b64decode(message.body_base64, validate=True)
    except binascii.Error as error:
        raise Problem("invalid-body", f"message {number}: bodyBase64: {error}") from None
    except (ValueError, TypeError) as error:
        raise Problem("invalid-body", f"message {number}: {error}") from None
    except Problem as problem:
        raise Problem(problem.code, f"message {number}: {problem.detail}") from None


def _kind(message: Outgoing) -> Kind:
    return Kind.SESSION if message.session is not None else Kind.USER


def _publish(publisher: Publisher, message: Outgoing, value: Any) -> Awaitable[None] | None:
    to = message.session if message.session is not None else message.user
    if to is None:
        return publisher.publish(
            message.destination, value, headers=message.headers, content_type=message.content_type
        )
    return publisher.send_to(
        _kind(message), to, message.destination, value, message.headers, message.content_type
    )
