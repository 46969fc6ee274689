"""Who is on a destination, over HTTP."""

# No `from __future__ import annotations` here: the signatures of the routes hold what depends on the application.

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from stompede._app.rest import DESTINATIONS, READING, Camel, Destination, ProblemRoute, asking
from stompede._types import Principal

if TYPE_CHECKING:
    from stompede._app.application import Stompede

MOST_MEMBERS = 1000


class Member(Camel):
    """A member that is on a destination."""

    user: str = Field(description="Name of the member.")
    info: Any = Field(description="What the application tells of it.")


class OnDestination(Camel):
    """Who is on a destination now."""

    destination: str = Field(description="The destination that was asked about.")
    users: list[Member] = Field(description="Members, in no order; not all of them where there are more.")
    count: int = Field(description="Members, each of them once, and guests.")
    guests: int = Field(description="Of those, the guests.")


def presence_router(app: "Stompede") -> APIRouter:
    """``GET /api/v1/destinations/presence``: who may subscribe to a destination may ask."""
    router = APIRouter(prefix=DESTINATIONS, tags=["destinations"], route_class=ProblemRoute)
    caller = Depends(asking(app))

    @router.get(
        "/presence",
        summary="Who is on a destination",
        responses=READING,
    )
    async def presence(
        principal: Annotated[Principal | None, caller],
        destination: Destination,
        limit: Annotated[
            int, Query(ge=0, le=MOST_MEMBERS, description="Most members to list; all of them are counted.")
        ] = 100,
    ) -> OnDestination:
        """The members that are subscribed to a destination, each once however many sessions it has, and how many guests
        there are. The guards of the destination decide, as for a SUBSCRIBE.
        """
        await app.check_access("subscribe", destination, principal)
        there = await app.presence(destination, limit=limit)
        users = [Member(user=one.user, info=one.info) for one in there.users]
        return OnDestination(destination=destination, users=users, count=there.count, guests=there.guests)

    return router
