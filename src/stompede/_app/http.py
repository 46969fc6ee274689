"""The HTTP routes that every node has: health, metrics, catalogue, history, presence, sessions for operators."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from stompede._app.catalogue_page import catalogue_page
from stompede._app.history_rest import history_router
from stompede._app.nodes_rest import nodes_router
from stompede._app.presence_rest import presence_router
from stompede._app.publish_rest import publish_router
from stompede._app.sessions_rest import sessions_router
from stompede._app.transport_metrics import TransportCollector
from stompede.errors import ConfigurationError
from stompede.server.metrics import NodeCollector

if TYPE_CHECKING:
    from stompede._app.application import Stompede


def install_routes(app: Stompede) -> None:
    """Adds the routes to the application's FastAPI.

    Raises:
        ConfigurationError: the application has one of the paths itself.
    """
    router = _router(app)
    for path in _paths(router.routes):
        if app._endpoints.websocket(path) is not None or app._endpoints.http(path) is not None:
            raise ConfigurationError(
                f"endpoints: {path} is one of Stompede's own paths and would be hidden; choose another endpoint"
            )
    own = {*map(_shape, _paths(router.routes)), *app.settings.endpoints}
    for path in _paths(app.fastapi.routes):
        if _shape(path) in own or app._endpoints.http(path) is not None:
            raise ConfigurationError(
                f"path {path} is a route of your FastAPI application and one of Stompede's own; "
                "rename yours, or the WebSocket endpoint by the setting endpoints"
            )
    routes = app.fastapi.router.routes
    before = len(routes)
    app.fastapi.include_router(router)
    # First: a route of the application for everything, as pages have it, must not hide them.
    routes[:] = routes[before:] + routes[:before]


def _paths(routes: Iterable[Any]) -> Iterator[str]:
    """Paths of routes, those of included routers as well, which newer versions of FastAPI do not copy."""
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        for one in (route,) if included is None else included():
            path = getattr(one, "path", None) or getattr(getattr(one, "starlette_route", None), "path", None)
            if path:
                yield path


def _shape(path: str) -> str:
    """What a path matches, whatever its variables are called."""
    return re.sub(r"\{[^}]*\}", "{}", path)


def _router(app: Stompede) -> APIRouter:
    router = APIRouter()
    _add_health(router, app)
    _add_metrics(router, app)
    _add_catalogue(router, app)
    router.include_router(history_router(app))
    router.include_router(presence_router(app))
    router.include_router(sessions_router(app))
    router.include_router(publish_router(app))
    router.include_router(nodes_router(app))
    return router


def _add_health(router: APIRouter, app: Stompede) -> None:
    @router.get("/health/live", tags=["health"], summary="The process answers")
    async def live() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/health/ready", tags=["health"], summary="New clients may come here")
    async def ready() -> JSONResponse:
        node = app._node
        is_ready = node is not None and node.ready
        body: dict[str, Any] = {"status": "ok" if is_ready else "unavailable"}
        if node is not None:
            body["node"] = node.id
        return JSONResponse(body, 200 if is_ready else 503)


def _add_metrics(router: APIRouter, app: Stompede) -> None:
    registry = CollectorRegistry()
    registry.register(NodeCollector(lambda: app._node))
    registry.register(
        TransportCollector(app._endpoints, app._compressing, app._tls_handshakes, app._complaints)
    )
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)

    @router.get(
        "/metrics", tags=["health"], summary="Figures for Prometheus", response_class=PlainTextResponse
    )
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_catalogue(router: APIRouter, app: Stompede) -> None:
    @router.get(
        "/asyncapi.json",
        tags=["catalogue"],
        summary="Every destination with the schema of its messages, as AsyncAPI 3",
    )
    async def asyncapi_json(request: Request) -> JSONResponse:
        return JSONResponse(app.catalogue(str(request.base_url)))

    @router.get("/asyncapi", include_in_schema=False)
    async def asyncapi(request: Request) -> HTMLResponse:
        return HTMLResponse(catalogue_page(app.catalogue(str(request.base_url))))
