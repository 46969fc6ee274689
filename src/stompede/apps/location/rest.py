"""Riders over HTTP: which node serves one, and who is near a place."""

# No `from __future__ import annotations` here: the signatures of the routes hold bounds that are settings.

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.params import Depends
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from .geo import Near
from .messages import WorkStatus, utc
from .positions import MAX_RIDER_ID
from .problems import HttpProblem, ProblemRoute
from .tracking import RiderTracking, rider_key


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class RiderNode(_Camel):
    """Where a rider's messages are served."""

    rider_id: int
    url: str


class RiderNear(_Camel):
    """A rider near the place that was asked about; distance in metres along the ground."""

    rider_id: int
    lat: float
    lon: float
    distance_m: float
    updated_at: datetime
    work_status: WorkStatus


class RidersNear(_Camel):
    """Riders near a place, nearest first."""

    riders: list[RiderNear]


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {}}}


def location_router(
    tracking: RiderTracking,
    dependencies: Sequence[Depends] = (),
    node_url_at: Callable[[Request], str] | None = None,
) -> APIRouter:
    """The REST side of rider tracking.

    Args:
        tracking: the live picture that the routes read.
        dependencies: what every request has to pass first, for example a login.
        node_url_at: the URL of this node for who makes a request; by default the one in the routing table.

    Returns:
        A router with ``/api/v1/rider/{riderId}`` and ``/api/v1/riders``. Its lifespan publishes the overview.
    """
    router = APIRouter(
        prefix="/api/v1",
        tags=["location"],
        route_class=ProblemRoute,
        dependencies=list(dependencies),
        lifespan=_publishing_overview(tracking),
    )
    _add_rider(router, tracking, node_url_at or (lambda _: tracking.node_url()))
    _add_riders(router, tracking)
    return router


def _publishing_overview(tracking: RiderTracking) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        # Not a task group: it would wrap what the application raises at its start.
        overview = asyncio.create_task(tracking.run_overview(), name="riders overview")
        try:
            yield
        finally:
            overview.cancel()
            await asyncio.wait([overview])

    return lifespan


def _add_rider(router: APIRouter, tracking: RiderTracking, node_url_at: Callable[[Request], str]) -> None:
    rider_path = Path(alias="riderId", ge=0, le=MAX_RIDER_ID)

    @router.get(
        "/rider/{riderId}",
        responses={404: _problem("No node serves this rider; `connect` says where to go instead.")},
    )
    async def rider(request: Request, rider_id: Annotated[int, rider_path]) -> RiderNode:
        """Tell which WebSocket URL serves a rider; when none does, where to connect instead."""
        url = await tracking.routes.get(rider_key(rider_id))
        if url is None:
            raise HttpProblem(
                HTTPStatus.NOT_FOUND,
                "not-found",
                f"no node serves rider {rider_id}; connect to the one named here and subscribe there",
                connect=node_url_at(request),
            )
        if url == tracking.node_url():
            url = node_url_at(request)
        return RiderNode(rider_id=rider_id, url=url)


def _add_riders(router: APIRouter, tracking: RiderTracking) -> None:
    limits = tracking.settings
    lat_query = Query(ge=-90, le=90, allow_inf_nan=False, description="Degrees north.")
    lon_query = Query(ge=-180, le=180, allow_inf_nan=False, description="Degrees east.")
    radius_query = Query(gt=0, le=limits.max_radius_m, allow_inf_nan=False, description="Metres.")
    limit_query = Query(ge=1, le=limits.max_found, description="Most riders to answer with.")

    @router.get("/riders", responses={422: _problem("A parameter is missing or out of its bounds.")})
    async def riders(
        lat: Annotated[float, lat_query],
        lon: Annotated[float, lon_query],
        radius: Annotated[float, radius_query] = min(1000.0, limits.max_radius_m),
        limit: Annotated[int, limit_query] = min(100, limits.max_found),
    ) -> RidersNear:
        """Find the riders within a radius of a place, nearest first."""
        found = await tracking.index.near(lat, lon, radius, limit)
        return RidersNear(riders=[_near(near) for near in found])


def _near(near: Near[int]) -> RiderNear:
    return RiderNear(
        rider_id=near.key,
        lat=near.fix.lat,
        lon=near.fix.lon,
        distance_m=round(near.distance_m, 2),
        updated_at=utc(near.fix.at),
        work_status=WorkStatus(near.fix.state),
    )
