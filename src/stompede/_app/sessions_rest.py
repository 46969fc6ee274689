"""Who is connected, and how sessions are closed, over HTTP, for operators.

Reading asks no other node: of sessions elsewhere it tells what the registry knows. Closing tells the node that has the
session to close it.
"""

# No `from __future__ import annotations` here: the signatures of the routes hold what depends on the application.

import contextlib
import heapq
from collections.abc import Iterator
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from stompede._app.rest import Camel, ProblemRoute, operator, refusals
from stompede.errors import BusError
from stompede.messaging.problem import Problem
from stompede.registry import SessionRecord
from stompede.server.session import connected

if TYPE_CHECKING:
    from stompede._app.application import Stompede

MOST_SESSIONS = 1000


class KnownSession(Camel):
    """One session, as operators see it. Of one on another node only id, member, node and start are known; the rest is
    null.
    """

    id: str = Field(description="Unique id of the session.")
    user: str | None = Field(description="Name of the member; null for a guest.")
    node_id: str = Field(description="Node that holds the connection.")
    connected_at: datetime | None = Field(None, description="When the connection was made.")
    scopes: tuple[str, ...] | None = Field(None, description="What the member's token allows.")
    address: str | None = Field(None, description="Where the client connects from.")
    version: str | None = Field(None, description="STOMP version.")
    last_seen_at: datetime | None = Field(None, description="When the client gave its last sign of life.")
    expires_at: datetime | None = Field(None, description="When its token runs out, if it does.")
    subscriptions: int | None = Field(None, description="How many subscriptions it has.")
    queued_bytes: int | None = Field(None, description="Bytes that wait because the client reads too slowly.")


class SessionPage(Camel):
    """Some sessions, by their ids."""

    sessions: list[KnownSession] = Field(description="Sessions, in the order of their ids.")
    next: str | None = Field(
        description="What to give as `after` for the next page; null where this is the last."
    )


class Closed(Camel):
    """How many sessions were closed."""

    closed: int = Field(description="Sessions of this node, which were closed.")
    told: int = Field(0, description="Sessions of other nodes, which were told to close them.")


def sessions_router(app: "Stompede") -> APIRouter:
    """``/api/v1/sessions`` and ``/api/v1/users/{name}/sessions``; every route needs the admin scope."""
    router = APIRouter(
        prefix="/api/v1",
        tags=["operators"],
        route_class=ProblemRoute,
        dependencies=[Depends(operator(app))],
        responses=refusals(
            HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    )  # fmt: skip

    @router.get("/sessions", summary="Who is connected")
    async def sessions(
        user: Annotated[str | None, Query(description="Sessions of this member alone, on all nodes.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_SESSIONS, description="Most sessions of a page.")] = 100,
        after: Annotated[str, Query(description="`next` of the page before.")] = "",
    ) -> SessionPage:
        """Sessions of this node, or those of one member on all nodes, a page at a time. What comes or goes between two
        pages moves nothing else.
        """
        found = await _found(app, user, limit + 1, after)
        page = found[:limit]
        return SessionPage(sessions=page, next=page[-1].id if len(found) > limit else None)

    @router.delete(
        "/sessions/{id}",
        summary="Close a session",
        status_code=HTTPStatus.NO_CONTENT,
        responses={
            202: {"model": Closed, "description": "Another node has it, and was told to close it."},
            **refusals(HTTPStatus.NOT_FOUND),
        },
    )
    async def close_session(
        session_id: Annotated[str, Path(alias="id", description="Id of the session.")],
    ) -> Response:
        """Ends a session, on whatever node. Its client gets an ERROR frame that tells it to stay away."""
        with _within_reach():
            closing = await app.node.orders.close_session(session_id)
        if closing.told:
            told = Closed(closed=0, told=closing.told)
            return JSONResponse(told.model_dump(by_alias=True), HTTPStatus.ACCEPTED)
        if not closing.closed:
            nobody = "no node has a" if app.node.backends.shared else "this node has no"
            raise Problem("not-found", f"{nobody} session {session_id}")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.delete("/users/{name:path}/sessions", summary="Close all sessions of a member")
    async def close_user_sessions(
        name: Annotated[str, Path(description="Name of the member.")],
    ) -> Closed:
        """Ends all sessions of a member, those of this node at once. To keep it from coming back, let its tokens run
        out.
        """
        with _within_reach():
            closing = await app.node.orders.close_user(name)
        return Closed(closed=closing.closed, told=closing.told)

    return router


async def _found(app: "Stompede", user: str | None, limit: int, after: str) -> list[KnownSession]:
    reports = await app.sessions(user=user, limit=limit, after=after)
    here = [KnownSession(**report.model_dump()) for report in reports]
    if user is None:
        return here
    with _within_reach():
        records = await connected.elsewhere(app.node, user)
    there = [_known(record, user) for record in records if record.session_id > after]
    return heapq.nsmallest(limit, [*here, *there], key=lambda session: session.id)


def _known(record: SessionRecord, user: str) -> KnownSession:
    since = None if record.connected_at is None else connected.utc(record.connected_at)
    return KnownSession(id=record.session_id, user=user, node_id=record.node_id, connected_at=since)


@contextlib.contextmanager
def _within_reach() -> Iterator[None]:
    """What keeps this node from the others is said to the one who asks."""
    try:
        yield
    except BusError as error:
        raise Problem("unavailable", f"sessions of other nodes are out of reach: {error}") from error
