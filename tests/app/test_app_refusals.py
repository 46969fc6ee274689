"""Refusals in routes of the application: what `check_access` and `prove` raise."""

import json
from typing import Annotated

import pytest
from fastapi import FastAPI, Header
from fastapi.responses import JSONResponse
from starlette.requests import Request

from serving import SECRET, Serve, make_app
from sockjsclient import fetch
from stompede import AuthenticationError, ConfigurationError, Principal, Settings, Stompede
from stompede.messaging.problem import Problem


def guarded(fastapi: FastAPI) -> Stompede:
    app = Stompede(fastapi, settings=Settings(jwt_secret=SECRET, close_timeout_s=0.5))

    @app.guard("/topic/rooms/{room}")
    def members(room: str, who: Principal) -> bool:
        return room != "cellar"

    @fastapi.get("/rooms/{room}")
    async def room(room: str, authorization: Annotated[str | None, Header()] = None) -> dict[str, str]:
        await app.check_access("subscribe", f"/topic/rooms/{room}", await app.prove(authorization))
        return {"room": room}

    return app


async def test_check_access_and_prove_refuse_with_a_problem_document(serve: Serve) -> None:
    served = await serve(guarded(FastAPI()))
    cook = {"Authorization": served.token()}
    assert (await fetch(f"{served.http}/rooms/kitchen", headers=cook)).status == 200
    for path, headers, status, code in (
        ("kitchen", {}, 401, "login-required"),
        ("cellar", cook, 403, "forbidden"),
        ("kitchen", {"Authorization": "Bearer x"}, 401, "token-invalid"),
    ):
        answer = await fetch(f"{served.http}/rooms/{path}", headers=headers)
        assert answer.status == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert json.loads(answer.text)["code"] == code


async def test_a_handler_of_the_application_says_it_its_own_way(serve: Serve) -> None:
    fastapi = FastAPI()
    app = guarded(fastapi)

    @fastapi.exception_handler(Problem)
    async def mine(request: Request, problem: Problem) -> JSONResponse:
        return JSONResponse({"mine": problem.code}, 418)

    served = await serve(app)
    assert (await fetch(f"{served.http}/rooms/kitchen")).status == 418


@pytest.mark.parametrize("endpoint", ["/metrics", "/health/live", "/asyncapi.json", "/"])
async def test_an_endpoint_on_one_of_the_nodes_own_paths_is_refused(endpoint: str) -> None:
    app = make_app(endpoints=(endpoint,))
    if endpoint == "/":
        async with app.running():
            return
    with pytest.raises(ConfigurationError, match=f"endpoints: {endpoint} is one of Stompede's own paths"):
        async with app.running():
            pass


def test_authentication_errors_are_problems_there_too() -> None:
    assert AuthenticationError in make_app().fastapi.exception_handlers


async def test_the_catalogue_says_where_to_connect(serve: Serve) -> None:
    served = await serve(make_app(endpoints=("/stomp", "/ws/v1")))
    document = json.loads((await fetch(f"{served.http}/asyncapi.json")).text)
    places = {
        name: (one["protocol"], one["host"], one["pathname"]) for name, one in document["servers"].items()
    }
    host = "127.0.0.1"  # as the request calls it
    assert places == {"stomp": ("ws", host, "/stomp"), "ws-v1": ("ws", host, "/ws/v1")}
    assert "ws://127.0.0.1/ws/v1" in (await fetch(f"{served.http}/asyncapi")).text


def test_the_catalogue_prefers_the_public_url() -> None:
    document = make_app(public_url="wss://live.example.org/x/stomp").catalogue("http://10.0.0.1:8080/")
    [server] = document["servers"].values()
    assert (server["protocol"], server["host"], server["pathname"]) == ("wss", "live.example.org", "/x/stomp")
