"""What a destination carried lately, over HTTP."""

# No `from __future__ import annotations` here: the signatures of the routes hold what depends on the application.

import base64
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from stompede._app.rest import DESTINATIONS, READING, Camel, Destination, ProblemRoute, asking
from stompede._types import Principal
from stompede.messaging.destinations import Kind
from stompede.messaging.message import Message
from stompede.messaging.patterns import holds_wildcard
from stompede.messaging.problem import Problem
from stompede.server.node import Node
from stompede.store import Page, Position

if TYPE_CHECKING:
    from stompede._app.application import Stompede

MOST_MESSAGES = 1000


class PastMessage(Camel):
    """A message that a destination carried."""

    id: str = Field(description="Its message-id, which is its position.")
    body: Any = Field(description="Its body: JSON and text as they are, everything else in base64.")
    base64: bool = Field(description="Whether `body` is in base64.")
    content_type: str | None = Field(description="MIME type of the body, where the sender named one.")
    headers: dict[str, str] = Field(description="The sender's other headers.")


class Past(Camel):
    """What a destination carried lately."""

    destination: str = Field(description="The destination that was asked about.")
    position: str = Field(description="Id of the newest message that it ever carried.")
    recovered: bool | None = Field(
        description="Whether everything after `from` is still kept and `items` begins with it; without `from` null. If "
        "not, `items` is empty."
    )
    items: list[PastMessage] = Field(description="Messages, oldest first.")


def history_router(app: "Stompede") -> APIRouter:
    """``GET /api/v1/destinations/history``: who may subscribe to a destination may ask."""
    router = APIRouter(prefix=DESTINATIONS, tags=["destinations"], route_class=ProblemRoute)
    caller = Depends(asking(app))

    @router.get(
        "/history",
        summary="What a destination carried lately",
        response_model=Past,
        responses=READING,
    )
    async def history(
        principal: Annotated[Principal | None, caller],
        destination: Destination,
        after: Annotated[
            str | None,
            Query(
                alias="from", description="The message-id after which to begin; by default the newest come."
            ),
        ] = None,
        limit: Annotated[int, Query(ge=0, le=MOST_MESSAGES, description="Most messages.")] = 100,
    ) -> Response:
        """The messages after a position, or the newest ones. The guards of the destination decide, as for a SUBSCRIBE.
        To go on, ask again with the id of the last item.
        """
        await app.check_access("subscribe", destination, principal)
        page = await _read(app.node, destination, after, limit)
        past = {
            "destination": destination,
            "position": str(page.top),
            "recovered": None if after is None else page.complete,
            "items": [_item(str(kept.position), kept.item) for kept in page.items],
        }
        return Response(msgspec.json.encode(past), media_type="application/json")

    return router


async def _read(node: Node, destination: str, after: str | None, limit: int) -> Page[Message]:
    if (
        node.options.of(destination).history is None
        or holds_wildcard(destination)
        or node.prefixes.classify(destination) is not Kind.TOPIC
    ):
        raise Problem("not-found", f"{destination} keeps no history")
    store = node.histories.store
    if after is None:
        page = store.last(destination, limit, node.now())
    else:
        position = Position.parse(after)
        if position is None:
            raise Problem("invalid-parameters", "from: it is no message-id of a destination with history")
        page = store.read(destination, position, limit, node.now())
    return await page if isinstance(page, Awaitable) else page


def _item(message_id: str, message: Message) -> dict[str, Any]:
    body, in_base64 = _body(message)
    return {
        "id": message_id,
        "body": body,
        "base64": in_base64,
        "contentType": message.content_type,
        "headers": dict(message.headers),
    }


def _body(message: Message) -> tuple[Any, bool]:
    """The body for JSON, and whether it is in base64."""
    kind = (message.content_type or "").partition(";")[0].strip().lower()
    if kind in ("", "application/json") or kind.endswith("+json"):
        try:
            msgspec.json.decode(message.body)
        except (
            msgspec.DecodeError,
            UnicodeDecodeError,
            RecursionError,
        ):  # the last of what is nested too deeply
            pass
        else:
            return msgspec.Raw(message.body), False
    if kind.startswith("text/"):
        try:
            return message.body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(message.body).decode(), True
