"""Rider tracking as a part of an application: what it registers, and who may do what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Depends, Request

from stompede import AuthenticationError, Conflate, Principal, Problem, Stompede

from .geo import GeoIndex
from .memory import MemoryGeoIndex
from .messages import RidersMoved, RiderUpdate
from .problems import HttpProblem
from .rest import location_router
from .settings import LocationSettings
from .tracking import OVERVIEW_TOPIC, PART_HEADER, RiderTracking, Routes

RIDER_TOPIC = "/topic/rider/{riderId}"

PrincipalOf = Callable[[Request], Awaitable[Principal | None]]
"""Who makes an HTTP request; raises `AuthenticationError` for a token that proves nobody."""


def install(
    app: Stompede,
    *,
    routes: Routes,
    node_url: Callable[[], str],
    node_url_at: Callable[[Request], str] | None = None,
    settings: LocationSettings | None = None,
    index: GeoIndex[int] | None = None,
    demo: bool = False,
    principal_of: PrincipalOf | None = None,
) -> RiderTracking:
    """Add rider tracking to an application.

    It answers SENDs to ``/commute``, publishes to ``/topic/rider/{riderId}`` and ``/topic/riders``, and adds
    its routes to the application's FastAPI. No client may SEND to the two topics: what they carry was
    reported.

    Args:
        app: the application; it must not have started.
        routes: the routing table; its entries live for the application's setting ``route_ttl_s``.
        node_url: the WebSocket URL under which clients reach this node.
        node_url_at: the same for who makes an HTTP request; by default ``node_url`` alike for all.
        settings: by default from the environment.
        index: where positions are kept; by default in memory.
        demo: everybody may report for every rider, and look. Otherwise only a rider's own token may report
            for it, and members may look.
        principal_of: who makes an HTTP request. Without it everybody is a guest there, and sees nothing
            unless it is a demo.

    Returns:
        The tracking, for its statistics.
    """
    settings = settings or LocationSettings()
    if index is None:
        index = MemoryGeoIndex(
            expire_s=settings.expire_s, max_entries=settings.max_riders, cell_m=settings.cell_m
        )
    tracking = RiderTracking(
        settings,
        index=index,
        routes=routes,
        publish=app.publish_nowait,
        node_url=node_url,
        route_ttl_s=app.settings.route_ttl_s,
        demo=demo,
    )
    app.message("/commute")(tracking.commute)
    _describe_topics(app, demo=demo)
    allowed = Depends(_may_look(app, principal_of))
    app.fastapi.include_router(location_router(tracking, [allowed], node_url_at))
    return tracking


def _describe_topics(app: Stompede, *, demo: bool) -> None:
    app.destination(
        RIDER_TOPIC,
        slow=Conflate(),
        carries=[RiderUpdate],
        description="Where one rider is, as soon as the rider reports it. A slow reader gets the newest.",
    )
    app.destination(
        OVERVIEW_TOPIC,
        slow=Conflate(by=PART_HEADER),
        carries=[RidersMoved],
        description="All riders that moved, in one batch a second. Many riders make several messages, "
        f"numbered by the header `{PART_HEADER}`.",
    )
    for topic in (RIDER_TOPIC, OVERVIEW_TOPIC):
        app.guard(topic, on="subscribe")(_everybody if demo else _members)


def _everybody() -> bool:
    return True


def _members(who: Principal) -> bool:
    """Any member: the argument's type alone refuses guests with ``login-required``."""
    return bool(who.name)


def _may_look(app: Stompede, principal_of: PrincipalOf | None) -> Callable[[Request], Awaitable[None]]:
    """A dependency that holds HTTP to the guard of the overview, whose content the routes read."""

    async def may_look(request: Request) -> None:
        try:
            who = await principal_of(request) if principal_of else None
            await app.check_access("subscribe", OVERVIEW_TOPIC, who)
        except AuthenticationError as error:
            raise HttpProblem(HTTPStatus.UNAUTHORIZED, error.code, error.detail) from error
        except Problem as problem:
            guest = problem.code == "login-required"
            status = HTTPStatus.UNAUTHORIZED if guest else HTTPStatus.FORBIDDEN
            raise HttpProblem(status, problem.code, problem.detail) from problem

    return may_look
