"""The routes of the pages: ``/`` and ``/docs``, their files, the streets of the built-in city, and settings."""

# No `from __future__ import annotations` here: FastAPI reads the signatures of the routes, which stand in a
# function.

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from . import _assets
from ._city import ATTRIBUTION, BOUNDS, NAME, city_map
from ._policy import content_security_policy

_AcceptEncoding = Annotated[str, Header(alias="accept-encoding")]
_IfNoneMatch = Annotated[str, Header(alias="if-none-match")]

_DAY_S: Final = 86_400


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class City(_Camel):
    """The city whose streets are built in.

    Attributes:
        name: what people call it.
        bounds: west, south, east and north in degrees.
        attribution: who made the map data; has to be shown with them; HTML.
    """

    name: str
    bounds: tuple[float, float, float, float]
    attribution: str


class ConsoleConfig(_Camel):
    """What the page has to know about its node.

    Attributes:
        endpoint: HTTP path of the WebSocket endpoint.
        demo: whether the demo members may log in and everybody may look.
        tiles: URL template of online raster tiles, or null for the built-in streets alone.
        tiles_attribution: who made the tiles; HTML.
        city: the built-in city.
    """

    endpoint: str
    demo: bool
    tiles: str | None
    tiles_attribution: str
    city: City


def console_router(
    *,
    endpoint: str = "/stomp",
    demo: bool = False,
    tiles: str | None = None,
    tiles_attribution: str = ATTRIBUTION,
    static: Path = _assets.STATIC,
) -> APIRouter:
    """The page at ``/`` and all that it needs; nothing comes from another host, but tiles if asked for.

    Args:
        endpoint: HTTP path of the WebSocket endpoint that the page connects to.
        demo: whether this is the demo; the page then names the demo members.
        tiles: URL template of online raster tiles, for example ``https://tile.example.org/{z}/{x}/{y}.png``.
            The page may then fetch pictures from that host, and from no other.
        tiles_attribution: who made the tiles, as HTML, shown on the map.
        static: folder of the built page.

    Returns:
        A router with ``/``, ``/assets/{name}``, ``/favicon.svg``, ``/favicon.ico``,
        ``/map/helsinki.geojson`` and ``/api/v1/console``.

    Raises:
        ValueError: ``tiles`` is not an HTTP URL template.
    """
    router = APIRouter(tags=["console"])
    _add_files(router, static, _page_headers(content_security_policy(tiles)))
    config = ConsoleConfig(
        endpoint=endpoint,
        demo=demo,
        tiles=tiles,
        tiles_attribution=tiles_attribution if tiles else "",
        city=City(name=NAME, bounds=BOUNDS, attribution=ATTRIBUTION),
    )

    @router.get("/map/helsinki.geojson", response_class=Response)
    async def city(accept_encoding: _AcceptEncoding = "", if_none_match: _IfNoneMatch = "") -> Response:
        """The streets of the built-in city as GeoJSON: © OpenStreetMap contributors, ODbL 1.0."""
        return _city_response(accept_encoding, if_none_match)

    @router.get("/api/v1/console")
    async def settings(response: Response) -> ConsoleConfig:
        """Tell the page what it has to know about its node."""
        response.headers["Cache-Control"] = "no-store"
        return config

    return router


def _add_files(router: APIRouter, static: Path, headers: Mapping[str, str]) -> None:
    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        response = _assets.page(static)
        response.headers.update(headers)
        return response

    @router.get("/assets/{name}", include_in_schema=False)
    async def asset(name: str, accept_encoding: _AcceptEncoding = "") -> Response:
        # The worker of the map runs under the policy of its own file, not under the page's.
        response = _assets.asset(static, name, accept_encoding)
        response.headers.update(headers)
        return response

    @router.get("/favicon.svg", include_in_schema=False)
    @router.get("/favicon.ico", include_in_schema=False)
    async def favicon() -> Response:
        return _assets.favicon()


def docs_router(*, static: Path = _assets.STATIC) -> APIRouter:
    """``/docs``: the REST interface in Swagger UI, which comes from the node; FastAPI's own page loads it from a CDN.

    The application's FastAPI has to be made with ``docs_url=None`` and has its document at ``/openapi.json``. The
    page's files are served by `console_router`.

    Args:
        static: folder of the built page.
    """
    router = APIRouter()
    headers = _page_headers(content_security_policy())

    @router.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs() -> Response:
        response = _assets.page(static, "docs.html")
        response.headers.update(headers)
        return response

    return router


def _page_headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _city_response(accept_encoding: str, if_none_match: str) -> Response:
    streets = city_map()
    headers = {
        "ETag": f'"{streets.etag}"',
        "Cache-Control": f"public, max-age={_DAY_S}",
        "Vary": "Accept-Encoding",
    }
    if streets.etag in if_none_match:
        return Response(status_code=304, headers=headers)
    if _assets.accepts_gzip(accept_encoding):
        return Response(
            streets.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type="application/geo+json"
        )
    return Response(streets.plain(), headers=headers, media_type="application/geo+json")
