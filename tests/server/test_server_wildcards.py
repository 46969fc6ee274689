"""Wildcard subscriptions over real connections."""

import json
from typing import Any

import httpx
import pytest

from serving import Serve, make_app, until
from stompede import History, Principal, Problem, Stompede
from stompsocket import StompSocket


async def refused(client: StompSocket, destination: str, **headers: object) -> dict[str, Any]:
    """The soft error that a SUBSCRIBE gets."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    await client.send("SUBSCRIBE", {"id": "refused", "destination": destination, **given})
    message = await client.message()
    assert message.headers["destination"] == "/session/queue/request-error", message
    found: dict[str, Any] = json.loads(message.body)
    return found


async def listening(client: StompSocket) -> StompSocket:
    await client.subscribe("/session/queue/request-error", "errors")
    return client


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.2"])
async def test_a_wildcard_brings_all_that_matches_with_its_own_destination(
    serve: Serve, version: str
) -> None:
    served = await serve()
    client = await served.client({"accept-version": version})
    await client.subscribe("/topic/stocks.*", "wild")
    await client.subscribe("/topic/stocks.ibm", "exact")
    for number, name in enumerate(("stocks.ibm", "stocks.sun", "stocks", "stocks.ibm.bid", "bonds.ibm")):
        await served.app.publish(f"/topic/{name}", str(number))
    came = [await client.message() for _ in range(3)]
    assert sorted((one.headers["subscription"], one.headers["destination"], one.text) for one in came) == [
        ("exact", "/topic/stocks.ibm", "0"),
        ("wild", "/topic/stocks.ibm", "0"),
        ("wild", "/topic/stocks.sun", "1"),
    ]
    await client.send("UNSUBSCRIBE", {"id": "wild"})
    await client.settle()
    await served.app.publish("/topic/stocks.sun", "nobody")
    await served.app.publish("/topic/stocks.ibm", "5")
    assert (await client.message()).text == "5"
    assert served.node.statistics().hub.wildcards == 0
    assert served.node.bus.statistics().channels == 1


async def test_a_client_of_1_0_subscribes_without_an_id(serve: Serve) -> None:
    served = await serve()
    client = await served.client({"accept-version": "1.0"})
    await client.send("SUBSCRIBE", {"destination": "/topic/>"})
    await client.settle()
    await served.app.publish("/topic/a.b", "1")
    message = await client.message()
    assert message.headers["destination"] == "/topic/a.b"
    await client.send("UNSUBSCRIBE", {"destination": "/topic/>"})
    await client.settle()
    assert served.node.statistics().hub.subscriptions == 0


async def test_wildcards_of_all_three_families_live_side_by_side(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    wildcards = (
        "/topic/stocks.#",
        "/topic/stocks.>",
        "/topic/rooms/**",
        "/topic/rooms/*",
        "/topic/#.ibm",
        "/topic/**/2",
    )
    for wildcard in wildcards:
        await client.subscribe(wildcard, wildcard)
    brought = {wildcard: [] for wildcard in wildcards}  # type: dict[str, list[str]]
    for name in ("stocks", "stocks.ibm", "rooms", "rooms/1", "rooms/1/2"):
        await served.app.publish(f"/topic/{name}", name)
    for _ in range(10):
        message = await client.message()
        brought[message.headers["subscription"]].append(message.text)
    assert brought == {
        "/topic/stocks.#": ["stocks", "stocks.ibm"],
        "/topic/stocks.>": ["stocks", "stocks.ibm"],
        "/topic/rooms/**": ["rooms", "rooms/1", "rooms/1/2"],
        "/topic/rooms/*": ["rooms/1"],
        "/topic/#.ibm": ["stocks.ibm"],
        "/topic/**/2": ["rooms/1/2"],
    }
    # What each of them begins with; the last two with all topics, the two of stocks and of rooms with the same.
    assert served.node.bus.statistics().channels == 4


@pytest.mark.parametrize(
    ("destination", "code", "sentence"),
    [
        ("/topic/a.>.b", "invalid-destination", "can only be the last one"),
        ("/topic/stocks.i*", "invalid-destination", "a whole level between dots"),
        ("/queue/jobs.*", "invalid-destination", "a queue has one name"),
    ],
)
async def test_what_no_wildcard_can_be_is_a_soft_error(
    serve: Serve, destination: str, code: str, sentence: str
) -> None:
    served = await serve()
    error = await refused(await listening(await served.client()), destination)
    assert error["code"] == code
    assert sentence in error["detail"]


async def test_nobody_sends_to_a_name_with_wildcards(serve: Serve) -> None:
    served = await serve()
    client = await listening(await served.client())
    await client.subscribe("/topic/stocks.*", "wild")
    await client.send("SEND", {"destination": "/topic/stocks.*"}, "x")
    error = json.loads((await client.message()).body)
    assert error["code"] == "invalid-destination"
    assert "wildcards" in error["detail"]


async def test_a_session_may_have_so_many_wildcards_and_as_many_again_once_they_are_gone(
    serve: Serve,
) -> None:
    served = await serve(make_app(max_wildcard_subscriptions=2))
    client = await listening(await served.client())
    for name in ("a", "b"):
        await client.subscribe(f"/topic/{name}.*", name)
    error = await refused(client, "/topic/c.*")
    assert error["code"] == "rate-limited"
    assert "max_wildcard_subscriptions" in error["detail"]
    await client.subscribe("/topic/c.d", "exact")
    await client.send("UNSUBSCRIBE", {"id": "a"})
    await client.subscribe("/topic/c.*", "c")


@pytest.mark.parametrize("header", ["recover-from", "history-last"])
async def test_a_wildcard_has_no_past(serve: Serve, header: str) -> None:
    app = make_app()
    app.destination("/topic/rooms/{room}", history=History(count=10))
    served = await serve(app)
    client = await listening(await served.client())
    error = await refused(client, "/topic/rooms/*", **{header: "1"})
    assert error["code"] == "invalid-header"
    assert "a wildcard has no history" in error["detail"]
    assert served.node.statistics().hub.wildcards == 0


async def test_what_has_a_history_comes_by_wildcards_as_it_is_published(serve: Serve) -> None:
    app = make_app()
    app.destination("/topic/rooms/{room}", history=History(count=10))
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/rooms/*", "wild")
    for number in range(3):
        await app.publish("/topic/rooms/1", str(number))
    await client.subscribe("/topic/rooms/1", "exact")
    await app.publish("/topic/rooms/1", "3")
    came = [await client.message() for _ in range(5)]
    assert [one.text for one in came if one.headers["subscription"] == "wild"] == ["0", "1", "2", "3"]
    assert len({one.headers["message-id"] for one in came if one.text == "3"}) == 1


def guarded(*, wildcards: bool) -> Stompede:
    app = make_app()

    @app.guard("/topic/rooms/{room}", on="subscribe", wildcards=wildcards)
    def may_enter(room: str, who: Principal) -> bool:
        return who.name == "cook" or room == "lobby"

    return app


async def test_a_guard_that_admits_no_wildcards_is_no_way_around(serve: Serve) -> None:
    served = await serve(guarded(wildcards=False))
    client = await listening(await served.member("cook"))
    for destination in ("/topic/rooms/*", "/topic/>", "/topic/*/lobby"):
        error = await refused(client, destination)
        assert error["code"] == "forbidden"
        assert "/topic/rooms/{room}" in error["detail"]
    await client.subscribe("/topic/halls/*", "beside")


async def test_a_guard_that_admits_wildcards_decides_and_is_asked_again_when_a_token_is_renewed(
    serve: Serve,
) -> None:
    served = await serve(guarded(wildcards=True))
    waiter = await listening(await served.member("waiter"))
    assert (await refused(waiter, "/topic/rooms/*"))["code"] == "forbidden"
    anonymous = await listening(await served.client())
    assert (await refused(anonymous, "/topic/rooms/*"))["code"] == "login-required"
    cook = await listening(await served.member("cook", ttl_s=60))
    await cook.subscribe("/topic/rooms/*", "wild")
    served.clock.shift += 60 + served.app.settings.token_grace_s + 1
    assert json.loads((await cook.message()).body)["code"] == "token-expired"
    await served.app.publish("/topic/rooms/1", "nobody hears this")
    await cook.send("SEND", {"destination": "/topic/other", "Authorization": served.token("cook")}, "x")
    await cook.settle()
    await served.app.publish("/topic/rooms/1", "again")
    assert (await cook.message()).text == "again"


async def test_wildcards_of_a_session_end_with_it(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe("/topic/a.*", "1")
    await client.subscribe("/topic/a.*.b", "2")
    assert served.node.bus.statistics().channels == 1
    client.drop()
    await until(lambda: not served.node.sessions, "the end of the session")
    assert served.node.statistics().hub.topics == 0
    assert served.node.bus.statistics().channels == 0


async def test_who_acknowledges_gets_one_message_after_the_other_by_a_wildcard_too(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe("/topic/stocks.*", "wild", **{"ack": "client-individual", "prefetch-count": 1})
    for name in ("ibm", "sun"):
        await served.app.publish(f"/topic/stocks.{name}", name)
    for name in ("ibm", "sun"):
        message = await client.message()
        assert (message.headers["destination"], message.text) == (f"/topic/stocks.{name}", name)
        assert await client.settle() == []
        await client.send("ACK", {"id": message.headers["ack"]})
    await client.settle()
    await client.request("UNSUBSCRIBE", {"id": "wild"})
    assert served.node.bus.statistics().channels == 0


async def test_a_receipt_of_a_wildcard_tells_no_position(serve: Serve) -> None:
    app = make_app()
    app.destination("/topic/rooms/{room}", history=History(count=10), presence=True)
    served = await serve(app)
    client = await served.client()
    receipt = await client.request("SUBSCRIBE", {"id": "1", "destination": "/topic/rooms/*"})
    assert set(receipt.headers) == {"receipt-id"}
    await client.request("UNSUBSCRIBE", {"id": "1"})


async def test_rest_shows_by_a_wildcard_no_more_than_a_subscription_would(serve: Serve) -> None:
    app = guarded(wildcards=False)
    app.destination("/topic/halls/{hall}", history=History(count=10), presence=True)
    served = await serve(app)
    with pytest.raises(Problem) as refused:
        await app.check_access("subscribe", "/topic/rooms/*", None)
    assert refused.value.code == "forbidden"
    await app.publish("/topic/halls/1", "x")
    async with httpx.AsyncClient(base_url=served.http) as http:
        for what in ("history", "presence"):
            answer = await http.get(f"/api/v1/destinations/{what}", params={"destination": "/topic/halls/*"})
            assert answer.status_code == 404, (what, answer.text)
