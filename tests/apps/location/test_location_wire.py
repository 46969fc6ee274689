"""Rider tracking through a whole node: STOMP in, handler, topic, STOMP out."""

import asyncio

import pytest

from stompede import RequestError, Settings, Stompede, testing
from stompede.apps.location import (
    CommuteAnswer,
    LocationSettings,
    RidersMoved,
    RiderTracking,
    RiderUpdate,
    WorkStatus,
    install,
)


def make_app(*, demo: bool) -> tuple[Stompede, RiderTracking]:
    app = Stompede(settings=Settings(app_prefixes=("/app", "/rider"), jwt_secret="x" * 32))
    tracking = install(
        app,
        routes=app.routing,
        node_url=lambda: app.public_url,
        settings=LocationSettings(overview_interval_s=0.01),
        demo=demo,
    )
    return app, tracking


def report(rider_id: int, status: str = "WORKING", lat: float = 60.17) -> dict[str, object]:
    return {"riderId": rider_id, "workStatus": status, "data": {"x": 24.94, "y": lat}}


@pytest.mark.parametrize("prefix", ["/app", "/rider"])
async def test_a_position_travels_from_the_rider_to_whoever_follows(prefix: str) -> None:
    app, _ = make_app(demo=True)
    async with testing.connect(app) as rider, testing.connect(app) as customer:
        async with customer.subscribe("/topic/rider/7", RiderUpdate) as updates:
            answer = await rider.request(f"{prefix}/commute", report(7, "INIT"), CommuteAnswer)
            assert answer == CommuteAnswer(7)
            update = (await updates.next()).body
            assert (update.rider_id, update.work_status, update.data.y) == (7, WorkStatus.INIT, 60.17)
        assert await app.routing.get("rider:7") == app.public_url
        await rider.request(f"{prefix}/commute", report(7, "DONE"), CommuteAnswer)
        assert await app.routing.get("rider:7") is None


async def test_the_overview_brings_who_moved() -> None:
    app, _ = make_app(demo=True)
    async with testing.connect(app) as rider, testing.connect(app) as customer:
        async with customer.subscribe("/topic/riders", RidersMoved) as batches:
            for rider_id in (1, 2, 3):
                await rider.request("/app/commute", report(rider_id), CommuteAnswer)
            seen: set[int] = set()
            async with asyncio.timeout(10):
                while seen != {1, 2, 3}:
                    seen |= {one.rider_id for one in (await batches.next()).body.riders}


async def test_a_report_of_the_wrong_shape_is_a_soft_error_that_names_the_field() -> None:
    app, _ = make_app(demo=True)
    async with testing.connect(app) as rider:
        with pytest.raises(RequestError, match=r"\$\.data\.y") as refused:
            await rider.request("/app/commute", report(7, lat=91), CommuteAnswer)
        assert refused.value.code == "invalid-body"
        assert await rider.request("/app/commute", report(7), CommuteAnswer) == CommuteAnswer(7)


async def test_with_accounts_a_rider_needs_its_own_token() -> None:
    app, _ = make_app(demo=False)
    async with (
        testing.connect(app, member="rider-7") as rider,
        testing.connect(app, member="rider-8") as other,
        testing.connect(app) as guest,
    ):
        assert await rider.request("/app/commute", report(7), CommuteAnswer) == CommuteAnswer(7)
        for client, code in ((other, "forbidden"), (guest, "login-required")):
            with pytest.raises(RequestError) as refused:
                await client.request("/app/commute", report(7), CommuteAnswer)
            assert refused.value.code == code
        with pytest.raises(RequestError) as refused:
            async with guest.subscribe("/topic/rider/7", RiderUpdate):
                pass
        assert refused.value.code == "login-required"


@pytest.mark.parametrize("topic", ["/topic/rider/7", "/topic/riders"])
async def test_nobody_can_forge_an_update(topic: str) -> None:
    app, _ = make_app(demo=True)
    async with testing.connect(app, member="rider-7") as rider:
        with pytest.raises(RequestError) as refused:
            await rider.send(topic, report(7))
        assert refused.value.code == "forbidden"
