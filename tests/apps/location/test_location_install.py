import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from fastapi import Request

from stompede import AuthenticationError, ConfigurationError, Principal, Problem, Settings, Stompede
from stompede.apps.location import Commute, LocationSettings, Point, RiderTracking, WorkStatus, install
from stompede.apps.location.rest import location_router

URL = "ws://node-1.example/stomp"


class Routes:
    def __init__(self) -> None:
        self.urls: dict[str, str] = {}

    async def put(self, key: str, url: str) -> None:
        self.urls[key] = url

    async def get(self, key: str) -> str | None:
        return self.urls.get(key)

    async def remove(self, key: str) -> None:
        self.urls.pop(key, None)


async def by_name(request: Request) -> Principal | None:
    """A stand-in for tokens: the header says the name."""
    name = request.headers.get("authorization")
    if name == "stale":
        raise AuthenticationError("token-expired", "the token has expired")
    return Principal(name) if name else None


@asynccontextmanager
async def served(
    *, demo: bool = True, with_accounts: bool = True
) -> AsyncIterator[tuple[Stompede, RiderTracking, httpx.AsyncClient]]:
    app = Stompede(settings=Settings(jwt_secret="x" * 32))
    tracking = install(
        app,
        routes=Routes(),
        node_url=lambda: URL,
        settings=LocationSettings(max_found=3, max_radius_m=5000),
        demo=demo,
        principal_of=by_name if with_accounts else None,
    )
    async with app.running():
        transport = httpx.ASGITransport(app.fastapi)
        async with httpx.AsyncClient(transport=transport, base_url="http://node-1.example") as client:
            yield app, tracking, client


async def report(
    tracking: RiderTracking, rider_id: int, status: WorkStatus = WorkStatus.WORKING, lat: float = 60.17
) -> None:
    await tracking.commute(Commute(rider_id, status, Point(24.94, lat)), None)


async def test_the_node_of_a_rider_is_told() -> None:
    async with served() as (_, tracking, client):
        await report(tracking, 7, WorkStatus.INIT)
        answer = await client.get("/api/v1/rider/7")
        assert (answer.status_code, answer.json()) == (200, {"riderId": 7, "url": URL})


async def test_an_unknown_rider_is_a_problem_that_says_where_to_connect() -> None:
    async with served() as (_, _, client):
        answer = await client.get("/api/v1/rider/8")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert (problem["status"], problem["title"], problem["code"]) == (404, "Not Found", "not-found")
        assert problem["connect"] == URL


async def test_riders_near_a_place_come_nearest_first() -> None:
    async with served() as (_, tracking, client):
        for rider_id, lat in ((1, 60.172), (2, 60.171), (3, 60.2)):
            await report(tracking, rider_id, lat=lat)
        answer = await client.get("/api/v1/riders", params={"lat": 60.17, "lon": 24.94, "radius": 1000})
        assert answer.status_code == 200
        riders = answer.json()["riders"]
        assert [(rider["riderId"], rider["distanceM"]) for rider in riders] == [(2, 111.2), (1, 222.39)]
        assert set(riders[0]) == {"riderId", "lat", "lon", "distanceM", "updatedAt", "workStatus"}
        assert riders[0]["updatedAt"].endswith("Z")
        limited = await client.get("/api/v1/riders", params={"lat": 60.17, "lon": 24.94, "limit": 1})
        assert [rider["riderId"] for rider in limited.json()["riders"]] == [2]


@pytest.mark.parametrize("hours", [14, -14])
async def test_a_search_finds_others_beside_a_rider_whose_clock_shows_the_year_1(hours: int) -> None:
    at = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=hours)))
    async with served() as (_, tracking, client):
        await tracking.commute(Commute(6, WorkStatus.WORKING, Point(24.94, 60.17), at), None)
        await report(tracking, 7)
        answer = await client.get("/api/v1/riders", params={"lat": 60.17, "lon": 24.94})
        assert answer.status_code == 200
        assert 7 in {rider["riderId"] for rider in answer.json()["riders"]}


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/api/v1/riders", ["lat", "lon"]),
        ("/api/v1/riders?lat=91&lon=181", ["lat", "lon"]),
        ("/api/v1/riders?lat=nan&lon=inf", ["lat", "lon"]),
        ("/api/v1/riders?lat=0&lon=0&radius=0", ["radius"]),
        ("/api/v1/riders?lat=0&lon=0&radius=5001", ["radius"]),
        ("/api/v1/riders?lat=0&lon=0&limit=4", ["limit"]),
        ("/api/v1/riders?lat=0&lon=0&limit=0", ["limit"]),
        ("/api/v1/rider/-1", ["riderId"]),
        ("/api/v1/rider/9223372036854775808", ["riderId"]),
        ("/api/v1/rider/seven", ["riderId"]),
    ],
)
async def test_parameters_out_of_bounds_are_a_problem_that_names_them(path: str, names: list[str]) -> None:
    async with served() as (_, _, client):
        answer = await client.get(path)
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["code"] == "invalid-parameters"
        assert [error["name"] for error in problem["errors"]] == names


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [(None, 401, "login-required"), ("stale", 401, "token-expired"), ("customer", 200, None)],
)
async def test_with_accounts_members_may_look_and_guests_may_not(
    name: str | None, status: int, code: str | None
) -> None:
    async with served(demo=False) as (_, _, client):
        headers = {"authorization": name} if name else {}
        answer = await client.get("/api/v1/riders?lat=60&lon=24", headers=headers)
        assert (answer.status_code, answer.json().get("code")) == (status, code)
        assert ("www-authenticate" in answer.headers) == (status == 401)


async def test_without_a_way_to_know_members_nobody_may_look_over_http() -> None:
    async with served(demo=False, with_accounts=False) as (_, _, client):
        assert (await client.get("/api/v1/rider/7", headers={"authorization": "customer"})).status_code == 401


@pytest.mark.parametrize("topic", ["/topic/rider/7", "/topic/riders"])
@pytest.mark.parametrize("demo", [True, False])
async def test_no_client_may_send_what_only_reports_may_say(topic: str, demo: bool) -> None:
    async with served(demo=demo) as (app, _, _):
        with pytest.raises(Problem) as refused:
            await app.check_access("send", topic, Principal("rider-7"))
        assert refused.value.code == "forbidden"


async def test_a_report_costs_no_task_on_a_real_node() -> None:
    async with served() as (_, tracking, _):
        coroutine = tracking.commute(Commute(7, WorkStatus.INIT, Point(24.94, 60.17)), None)
        with pytest.raises(StopIteration):
            coroutine.send(None)


async def test_the_catalogue_knows_reports_and_topics() -> None:
    async with served() as (app, _, _):
        addresses = {channel["address"] for channel in app.catalogue()["channels"].values()}
        assert {"/app/commute", "/topic/rider/{riderId}", "/topic/riders"} <= addresses


async def test_time_of_arrival_is_now() -> None:
    async with served() as (_, tracking, client):
        before = time.time()
        await report(tracking, 7)
        fix = await tracking.index.get(7)
        assert fix is not None
        assert before - 1 <= fix.at <= time.time() + 1
        assert (await client.get("/openapi.json")).status_code == 200


async def test_what_the_application_raises_at_its_start_comes_out_as_it_is() -> None:
    async with served() as (_, tracking, _):
        router = location_router(tracking)
        with pytest.raises(ConfigurationError, match="no"):
            async with router.lifespan_context(router):
                raise ConfigurationError("no")
