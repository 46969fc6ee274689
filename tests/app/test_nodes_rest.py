"""GET /api/v1/gateway and /api/v1/nodes, of a node that is alone."""

from collections.abc import AsyncIterator

import httpx
import pytest

from serving import make_app
from stompede import Stompede, testing


@pytest.fixture
async def app() -> AsyncIterator[Stompede]:
    app = make_app(public_url="wss://one.example/stomp", region="north")
    async with app.running():
        yield app


async def get(app: Stompede, path: str, *scopes: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {app.issuer.issue('ops', scopes, 60, app.node.unix_now())}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://node") as client:
        return await client.get(path, headers=headers if scopes else {})


async def test_the_gateway_of_a_lone_node_names_it(app: Stompede) -> None:
    for path in ("/api/v1/gateway", "/api/v1/gateway?key=rider:1", "/api/v1/gateway?near=60.17,24.94"):
        answer = await get(app, path)
        assert answer.json() == {
            "url": "wss://one.example/stomp",
            "heartbeatMs": app.settings.heart_beat_send_ms,
            "retryAfterMs": 0,
            "resumeUrl": f"http://node{path}",
        }
        assert answer.headers["cache-control"] == "no-store"


async def test_a_node_that_takes_nobody_is_named_to_nobody(app: Stompede) -> None:
    app.node.accepting = False
    answer = await get(app, "/api/v1/gateway")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert (answer.json()["url"], answer.json()["retryAfterMs"]) == (None, 2000)
    app.node.accepting = True


@pytest.mark.parametrize("near", ["here", "60.17", "91,0", "0,181", "nan,0"])
async def test_a_place_that_is_none_is_refused(app: Stompede, near: str) -> None:
    answer = await get(app, f"/api/v1/gateway?near={near}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-parameters")


async def test_operators_see_the_nodes(app: Stompede) -> None:
    async with testing.connect(app):
        (node,) = (await get(app, "/api/v1/nodes", "admin")).json()["nodes"]
        assert (node["id"], node["url"], node["region"]) == (app.node.id, "wss://one.example/stomp", "north")
        assert (node["sessions"], node["draining"], node["ready"]) == (1, False, True)
    assert (await get(app, "/api/v1/nodes")).status_code == 401
    assert (await get(app, "/api/v1/nodes", "publish")).status_code == 403
