"""What a node answers by HTTP, beside the application's own routes."""

import asyncio
import re
import shutil
import threading
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, WebSocket
from fastapi.staticfiles import StaticFiles
from websockets.asyncio.client import connect

from serving import Serve, make_app, serving
from stompede import ConfigurationError, Problem, Settings, Stompede

OWN_PATHS = (
    "/health/live", "/health/ready", "/metrics", "/asyncapi.json", "/asyncapi", "/stomp",
    "/api/v1/sessions", "/api/v1/sessions/{session_id}", "/api/v1/destinations/presence",
)  # fmt: skip


async def get(url: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.get(url, **options)


def own(fastapi: FastAPI, **settings: Any) -> Stompede:
    return Stompede(fastapi, settings=Settings(jwt_secret="x" * 40, close_timeout_s=0.5, **settings))


async def test_health_says_that_it_lives_and_is_ready(serve: Serve) -> None:
    served = await serve()
    assert (await get(f"{served.http}/health/live")).json() == {"status": "ok"}
    ready = await get(f"{served.http}/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "node": served.node.id})


async def test_a_node_that_stops_is_not_ready_and_takes_no_handshake(serve: Serve) -> None:
    served = await serve()
    await served.node.stop()
    ready = await get(f"{served.http}/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert (await get(f"{served.http}/health/live")).status_code == 200
    with pytest.raises(Exception, match="503"):
        await served.open()


async def test_metrics_count_what_happened(serve: Serve) -> None:
    served = await serve()
    client = await served.member("cook")
    await client.errors()
    await client.subscribe("/topic/a")
    await client.send("SEND", {"destination": "/topic/a"}, "x")
    await client.message()
    await client.send("SEND", {"destination": "/app/none"}, "x")
    await client.message()
    gone = await served.client()
    await gone.send("DISCONNECT")
    await gone.closed()
    await served.ended("disconnect")
    text = (await get(f"{served.http}/metrics")).text
    for line in (
        "stompede_sessions 1.0", "stompede_members 1.0", "stompede_subscriptions 1.0",
        "stompede_sessions_started_total 2.0", "stompede_connections_accepted_total 2.0",
        "stompede_messages_published_total 1.0",
        "stompede_messages_delivered_total 1.0", 'stompede_sessions_ended_total{reason="disconnect"} 1.0',
        'stompede_problems_total{code="not-found"} 1.0',
    ):  # fmt: skip
        assert f"\n{line}\n" in text
    assert "process_resident_memory_bytes" in text


async def test_metrics_are_clean_to_promtool(serve: Serve) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not on PATH; it comes with Prometheus")
    served = await serve()
    client = await served.client()
    await client.send("SEND", {"destination": "/app/none"}, "x")
    await client.send("DISCONNECT")
    await client.closed()
    text = (await get(f"{served.http}/metrics")).text
    check = await asyncio.create_subprocess_exec(
        promtool, "check", "metrics", stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    said, _ = await check.communicate(text.encode())
    assert (check.returncode, said.decode()) == (0, "")


async def test_every_figure_has_a_help_text_and_a_type(serve: Serve) -> None:
    served = await serve()
    lines = (await get(f"{served.http}/metrics")).text.splitlines()
    names = {line.split()[0].partition("{")[0] for line in lines if line.startswith("stompede_")}
    for name in names:
        assert any(line.startswith(f"# HELP {name} ") for line in lines), name
        assert any(line.startswith(f"# TYPE {name} ") for line in lines), name


async def test_the_catalogue_is_there_for_programs_and_for_people(serve: Serve) -> None:
    app = make_app()

    @app.message("/echo", publish="/topic/echo")
    async def echo(body: str) -> str:
        """Says it <b>again</b>."""
        return body

    served = await serve(app)
    document = (await get(f"{served.http}/asyncapi.json")).json()
    assert document["asyncapi"].startswith("3.")
    assert "/app/echo" in str(document)
    page = await get(f"{served.http}/asyncapi")
    assert page.headers["content-type"].startswith("text/html")
    assert "/app/echo" in page.text
    assert "<b>" not in page.text


@pytest.mark.parametrize("path", OWN_PATHS)
async def test_a_path_that_both_want_fails_at_start_with_a_sentence(path: str) -> None:
    fastapi = FastAPI()
    fastapi.get(path)(lambda: 1)
    with pytest.raises(ConfigurationError, match=re.escape(path)):
        async with own(fastapi).running():
            pass


@pytest.mark.parametrize("path", ["/health/live", "/api/v1/sessions/{session_id}", "/live/stomp"])
async def test_a_path_of_an_included_router_counts_too(path: str) -> None:
    fastapi, router = FastAPI(), APIRouter(prefix="/" + path.split("/")[1])
    rest = path.removeprefix(router.prefix)
    if rest == "/stomp":
        router.websocket(rest)(lambda websocket: None)
    else:
        router.get(rest)(lambda: 1)
    fastapi.include_router(router)
    with pytest.raises(ConfigurationError, match=re.escape(path)):
        async with own(fastapi, endpoints=("/live/stomp",)).running():
            pass


async def test_a_websocket_route_on_an_endpoint_fails_at_start() -> None:
    fastapi = FastAPI()

    @fastapi.websocket("/live")
    async def live(websocket: WebSocket) -> None: ...

    with pytest.raises(ConfigurationError, match="/live"):
        async with own(fastapi, endpoints=("/live",)).running():
            pass


async def test_a_route_for_everything_does_not_hide_the_nodes_own(serve: Serve) -> None:
    fastapi = FastAPI()

    @fastapi.get("/{path:path}")
    def everything(path: str) -> str:
        return f"page {path}"

    served = await serve(own(fastapi))
    assert (await get(f"{served.http}/health/live")).json() == {"status": "ok"}
    assert "stompede_sessions" in (await get(f"{served.http}/metrics")).text
    assert (await get(f"{served.http}/some/page")).json() == "page some/page"
    await (await served.client()).settle()


async def test_routes_of_the_application_work_and_publish(serve: Serve) -> None:
    fastapi = FastAPI()
    app = own(fastapi)

    @fastapi.post("/soup/{name}")
    async def soup(name: str) -> str:
        await app.publish("/topic/soup", {"name": name})
        return "served"

    @fastapi.post("/blocking/{name}")
    def blocking(name: str) -> str:
        app.publish_threadsafe("/topic/soup", {"name": name})
        return "served"

    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/soup")
    async with httpx.AsyncClient(base_url=served.http) as http:
        assert (await http.post("/soup/fish")).json() == "served"
        assert (await client.message()).text == '{"name":"fish"}'
        assert (await http.post("/blocking/beet")).json() == "served"
        assert (await client.message()).text == '{"name":"beet"}'


async def test_publications_from_threads_arrive_in_the_order_of_each_thread(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe("/topic/a")

    def publish(name: str) -> None:
        for number in range(100):
            served.app.publish_threadsafe("/topic/a", f"{name} {number}")

    threads = [threading.Thread(target=publish, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    texts = [(await client.message()).text.split() for _ in range(300)]
    for name in "abc":
        assert [int(number) for who, number in texts if who == name] == list(range(100))
    for thread in threads:
        thread.join()


async def test_a_publication_from_a_thread_that_is_refused_is_logged(serve: Serve) -> None:
    served = await serve()
    served.may_fail = True
    client = await served.client()
    served.app.publish_threadsafe("/topic/a", object)
    with pytest.raises(Problem, match="is no topic and no queue"):
        served.app.publish_threadsafe("/nowhere", "x")
    await client.settle()
    await client.settle()
    assert len(served.logged("publish_threadsafe failed")) == 1


@pytest.mark.parametrize("path", ["/mine", "/mine/7"])
async def test_websocket_routes_of_the_application_work_on_the_same_port(serve: Serve, path: str) -> None:
    fastapi = FastAPI()

    @fastapi.websocket("/mine")
    @fastapi.websocket("/mine/{number}")
    async def echo(websocket: WebSocket, number: int = 0) -> None:
        await websocket.accept()
        async for text in websocket.iter_text():
            await websocket.send_text(f"{number} {text}")

    served = await serve(own(fastapi))
    client = await served.client()
    async with connect(f"ws://127.0.0.1:{served.port}{path}", proxy=None) as websocket:
        for size in (5, 70_000):
            await websocket.send("x" * size)
            assert await websocket.recv() == f"{7 if '7' in path else 0} " + "x" * size
    await client.settle()


async def test_an_http_request_to_an_endpoint_is_greeted(serve: Serve) -> None:
    served = await serve()
    assert (await get(f"{served.http}/stomp")).text == "Welcome to SockJS!\n"


async def test_several_endpoints_are_the_same_node(serve: Serve) -> None:
    served = await serve(make_app(endpoints=("/stomp", "/ws")))
    one = await served.client()
    two = await served.client(url=served.url.replace("/stomp", "/ws?x=1"))
    await one.subscribe("/topic/a")
    await two.send("SEND", {"destination": "/topic/a"}, "x")
    assert (await one.message()).text == "x"


# Proxies.


@pytest.mark.parametrize(
    ("trusted", "address"), [((), "127.0.0.1"), (("10.0.0.0/8",), "127.0.0.1"), (("127.0.0.1",), "1.2.3.4")]
)
async def test_forwarded_headers_count_from_trusted_addresses_only(
    trusted: tuple[str, ...], address: str
) -> None:
    fastapi = FastAPI()

    @fastapi.get("/address")
    def who(request: Request) -> str:
        assert request.client is not None
        return request.client.host

    app = own(fastapi, trusted_proxies=trusted)
    async with serving(app) as served:
        headers = {"X-Forwarded-For": "6.6.6.6, 1.2.3.4", "X-Forwarded-Proto": "https"}
        client = await served.open(headers=headers)
        await client.connect()
        assert served.session(client).client_address == address
        assert (await get(f"{served.http}/address", headers=headers)).json() == address


async def test_behind_a_trusted_proxy_the_origin_is_that_of_the_clients_side() -> None:
    async with serving(make_app(trusted_proxies="127.0.0.1")) as served:
        origin = served.http.replace("http", "https")
        client = await served.open(headers={"Origin": origin, "X-Forwarded-Proto": "https"})
        await client.connect()
        with pytest.raises(Exception, match="403"):
            await served.open(headers={"Origin": served.http, "X-Forwarded-Proto": "https"})


async def test_a_mount_for_everything_does_not_hide_the_nodes_own(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the page")
    fastapi = FastAPI()
    fastapi.mount("/", StaticFiles(directory=tmp_path, html=True))
    served = await serve(own(fastapi))
    for path in ("/health/live", "/health/ready", "/metrics", "/asyncapi.json", "/asyncapi"):
        assert (await get(served.http + path)).status_code == 200, path
    assert (await get(f"{served.http}/")).text == "the page"
    await (await served.client()).settle()
