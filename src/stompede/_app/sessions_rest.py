"""Who is connected, and how sessions are closed, over HTTP, for operators."""

# No `from __future__ import annotations` here: the signatures of the routes hold what depends on the application.

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from stompede._app.rest import Camel, ProblemRoute, operator, refusals
from stompede.messaging.problem import Problem
from stompede.server.session.connected import SessionReport

if TYPE_CHECKING:
    from stompede._app.application import Stompede

MOST_SESSIONS = 1000


class SessionPage(Camel):
    """Some sessions, by their ids."""

    sessions: list[SessionReport] = Field(description="Sessions, in the order of their ids.")
    next: str | None = Field(
        description="What to give as `after` for the next page; null where this is the last."
    )


class Closed(Camel):
    """How many sessions were closed."""

    closed: int = Field(description="Sessions that were closed.")


def sessions_router(app: "Stompede") -> APIRouter:
    """``/api/v1/sessions`` and ``/api/v1/users/{name}/sessions``; every route needs the admin scope."""
    router = APIRouter(
        prefix="/api/v1",
        tags=["operators"],
        route_class=ProblemRoute,
        dependencies=[Depends(operator(app))],
        responses=refusals(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY),
    )

    @router.get("/sessions", summary="Who is connected to this node")
    async def sessions(
        user: Annotated[str | None, Query(description="Sessions of this member alone.")] = None,
        limit: Annotated[int, Query(ge=1, le=MOST_SESSIONS, description="Most sessions of a page.")] = 100,
        after: Annotated[str, Query(description="`next` of the page before.")] = "",
    ) -> SessionPage:
        """Sessions of this node, a page at a time. What comes or goes between two pages moves nothing else."""
        found = await app.sessions(user=user, limit=limit + 1, after=after)
        page = found[:limit]
        return SessionPage(sessions=page, next=page[-1].id if len(found) > limit else None)

    @router.delete(
        "/sessions/{id}",
        summary="Close a session",
        status_code=HTTPStatus.NO_CONTENT,
        responses=refusals(HTTPStatus.NOT_FOUND),
    )
    async def close_session(
        session_id: Annotated[str, Path(alias="id", description="Id of the session.")],
    ) -> Response:
        """Ends a session of this node. Its client gets an ERROR frame that tells it to stay away."""
        if not await app.close_session(session_id):
            raise Problem("not-found", f"this node has no session {session_id}")
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.delete("/users/{name:path}/sessions", summary="Close all sessions of a member")
    async def close_user_sessions(
        name: Annotated[str, Path(description="Name of the member.")],
    ) -> Closed:
        """Ends all sessions of a member on this node. To keep it from coming back, let its tokens run out."""
        return Closed(closed=await app.close_user_sessions(name))

    return router
