"""The routes of the page: what a browser gets, and under which headers."""

import gzip
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from stompede import Settings, Stompede
from stompede.apps import create_app
from stompede.apps.console import ConsoleSettings, console_router, install
from stompede.apps.console._assets import accepts_gzip
from stompede.apps.console._city import ATTRIBUTION, BOUNDS
from stompede.apps.console._routes import docs_router


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """A built page in small."""
    assets = tmp_path / "assets"
    assets.mkdir()
    (tmp_path / "index.html").write_text("<!doctype html><title>Stompede</title>", "utf-8")
    (tmp_path / "secret.js").write_text("not for the web", "utf-8")
    (assets / "index-abc.js").write_text("export {};", "utf-8")
    (assets / "index-abc.js.gz").write_bytes(gzip.compress(b"export {};"))
    (assets / "small.css").write_text("a{}", "utf-8")
    return tmp_path


def browser(static: Path, tiles: str | None = None) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(console_router(endpoint="/stomp", demo=True, tiles=tiles, static=static))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node")


@pytest_asyncio.fixture(loop_scope="function")
async def client(static: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(static) as opened:
        yield opened


async def test_page_may_load_from_its_own_host_alone_and_is_asked_for_again(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_page_answers_head(client: httpx.AsyncClient) -> None:
    answer = await client.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_rest_interface_may_load_from_its_own_host_alone(static: Path) -> None:
    (static / "docs.html").write_text("<!doctype html><title>REST</title>", "utf-8")
    app = FastAPI(docs_url=None)
    app.include_router(docs_router(static=static))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        answer = await client.get("/docs")
        assert (await client.head("/docs")).status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_reference_services_have_no_page_that_loads_from_elsewhere() -> None:
    app = create_app(Settings(jwt_secret="x" * 32), demo=True).fastapi
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        pages = {path: await client.get(path) for path in ("/", "/docs", "/redoc", "/asyncapi")}
    assert pages["/redoc"].status_code == 404
    for page in pages.values():
        assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=[\"']?(https?:)?//", page.text)


async def test_an_applications_own_docs_stay_its_own() -> None:
    app = Stompede(FastAPI(), settings=Settings(jwt_secret="x" * 32))
    install(app, settings=ConsoleSettings(tiles=None))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app.fastapi), base_url="http://node"
    ) as client:
        assert "swagger-ui" in (await client.get("/docs")).text
        assert "content-security-policy" not in (await client.get("/docs")).headers


async def test_page_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    async with browser(tmp_path) as client:
        answer = await client.get("/")
        icon = await client.get("/favicon.svg")
    assert answer.status_code == 503
    assert "make console" in answer.text
    assert icon.status_code == 200


async def test_built_files_are_cached_for_ever_and_come_packed(client: httpx.AsyncClient) -> None:
    packed = await client.get("/assets/index-abc.js", headers={"accept-encoding": "gzip, br"})
    plain = await client.get("/assets/index-abc.js", headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == "export {};"
    for answer in (packed, plain):
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["vary"] == "Accept-Encoding"


async def test_built_file_without_a_packed_twin_comes_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/assets/small.css", headers={"accept-encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert answer.text == "a{}"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/none.js",
        "/assets/..%2Fsecret.js",
        "/assets/%2E%2E",
        "/assets/%2Fetc%2Fpasswd",
        "/assets/index-abc.js.gz",
        "/assets/",
    ],
)
async def test_nothing_but_the_built_files_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["/favicon.svg", "/favicon.ico"])
async def test_favicon_is_there_under_both_names(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg")


async def test_console_settings_tell_the_page_what_it_needs(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/console")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "endpoint": "/stomp",
        "demo": True,
        "tiles": None,
        "tilesAttribution": "",
        "city": {"name": "Helsinki", "bounds": list(BOUNDS), "attribution": ATTRIBUTION},
    }


async def test_online_tiles_open_the_policy_to_their_host_alone(static: Path) -> None:
    async with browser(static, "https://tile.example.org:8443/{z}/{x}/{y}.png") as client:
        policy = (await client.get("/")).headers["content-security-policy"]
        settings = (await client.get("/api/v1/console")).json()
    assert "img-src 'self' data: blob: https://tile.example.org:8443;" in policy
    assert "connect-src 'self' https://tile.example.org:8443;" in policy
    assert policy.count("https:") == 2
    assert settings["tiles"].startswith("https://tile.example.org:8443/")
    assert settings["tilesAttribution"] == ATTRIBUTION


async def test_city_comes_packed_and_lies_within_the_bounds_the_page_is_told(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/map/helsinki.geojson")
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "application/geo+json"
    west, south, east, north = BOUNDS
    features = json.loads(answer.content)["features"]
    points = [point for feature in features for point in feature["geometry"]["coordinates"]]
    assert (min(x for x, _ in points), max(x for x, _ in points)) == (west, east)
    assert (min(y for _, y in points), max(y for _, y in points)) == (south, north)


async def test_city_comes_plain_to_clients_without_gzip(client: httpx.AsyncClient) -> None:
    answer = await client.get("/map/helsinki.geojson", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in answer.headers
    assert answer.content.startswith(b'{"type"')


async def test_city_that_the_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/map/helsinki.geojson")
    again = await client.get("/map/helsinki.geojson", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
    ],
)
def test_gzip_is_used_only_when_it_is_accepted(header: str, taken: bool) -> None:
    assert accepts_gzip(header) is taken
