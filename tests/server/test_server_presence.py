"""Who is on a destination: each member once, guests counted, changes told to those who may know."""

import json
from typing import Any

import pytest

from serving import Serve, Served, make_app, until
from stompede import ConfigurationError, History, Principal, Problem, Stompede, StompSession
from stompsocket import StompSocket

ROOM = "/topic/rooms/kitchen"
ABOUT = "/topic/presence/rooms/kitchen"


def an_app(**settings: Any) -> Stompede:
    app = make_app(**{"presence_grace_s": 0, **settings})
    app.destination("/topic/rooms/{room}", presence=True)
    return app


async def told(client: StompSocket) -> dict[str, Any]:
    """The next message about who is there."""
    frame = await client.frame_where(
        lambda frame: frame.headers.get("destination") == ABOUT, "an event of presence"
    )
    assert frame.headers["content-type"] == "application/json"
    event: dict[str, Any] = json.loads(frame.body)
    return event


async def watching(served: Served) -> StompSocket:
    """A guest that has been told who is there at first: nobody."""
    client = await served.client()
    await client.subscribe(ABOUT, "about")
    assert await told(client) == {"type": "present", "users": [], "count": 0, "guests": 0}
    return client


async def test_members_join_and_leave_once_however_many_tabs_they_have(serve: Serve) -> None:
    served = await serve(an_app())
    client = await watching(served)
    tabs = [await served.member("cook") for _ in range(3)]
    for tab in tabs:
        await tab.subscribe(ROOM, "1")
        await tab.subscribe(ROOM, "2")
    waiter = await served.member("waiter")
    await waiter.subscribe(ROOM)
    assert await told(client) == {"type": "join", "user": "cook", "info": None, "count": 1, "guests": 0}
    assert (await told(client))["user"] == "waiter"
    assert await served.app.presence_count(ROOM) == 2
    await tabs[0].request("UNSUBSCRIBE", {"id": "1"})
    await tabs[0].request("UNSUBSCRIBE", {"id": "2"})
    tabs[1].drop()
    await until(lambda: len(served.node.users["cook"]) == 2)
    assert await served.app.presence_count(ROOM) == 2
    await tabs[2].send("DISCONNECT")
    assert await told(client) == {"type": "leave", "user": "cook", "info": None, "count": 1, "guests": 0}
    assert [one.user for one in (await served.app.presence(ROOM)).users] == ["waiter"]


async def test_guests_are_counted_and_not_listed(serve: Serve) -> None:
    served = await serve(an_app())
    client = await watching(served)
    guests = [await served.client() for _ in range(2)]
    for guest in guests:
        await guest.subscribe(ROOM, "1")
        await guest.subscribe(ROOM, "2")
    assert await told(client) == {"type": "count", "count": 2, "guests": 2}
    there = await served.app.presence(ROOM)
    assert (there.users, there.count, there.guests) == ([], 2, 2)
    await guests[0].request("UNSUBSCRIBE", {"id": "1"})
    guests[1].drop()
    assert await told(client) == {"type": "count", "count": 1, "guests": 1}


async def test_a_guest_that_logs_in_becomes_a_member_where_it_is(serve: Serve) -> None:
    served = await serve(an_app())
    client = await watching(served)
    cook = await served.client()
    await cook.subscribe(ROOM)
    assert await told(client) == {"type": "count", "count": 1, "guests": 1}
    await cook.request("SEND", {"destination": "/topic/x", "Authorization": served.token("cook")}, "x")
    assert (await told(client))["user"] == "cook"
    assert await told(client) == {"type": "count", "count": 1, "guests": 0}
    cook.drop()
    assert (await told(client))["type"] == "leave"


async def test_no_more_members_than_the_table_holds_are_noted(serve: Serve) -> None:
    served = await serve(an_app(presence_entries=1))
    served.may_fail = True
    for name in ("cook", "waiter"):
        await (await served.member(name)).subscribe(ROOM)
    await until(lambda: served.node.presence.statistics().table.refused == 1)
    assert [one.user for one in (await served.app.presence(ROOM)).users] == ["cook"]


async def test_who_subscribes_to_the_changes_is_told_first_who_is_there(serve: Serve) -> None:
    served = await serve(an_app(presence_listed=2))
    for name in ("cook", "waiter", "chef"):
        await (await served.member(name)).subscribe(ROOM)
    await (await served.client()).subscribe(ROOM)
    client = await served.client()
    frame = await client.request("SUBSCRIBE", {"id": "about", "destination": ABOUT})
    assert frame.command == "RECEIPT"
    first = await client.message()
    assert first.headers["subscription"] == "about"
    present = json.loads(first.body)
    assert (present["type"], present["count"], present["guests"]) == ("present", 4, 1)
    assert len(present["users"]) == 2, "presence_listed bounds the list, and not the count"
    assert {one["user"] for one in present["users"]} < {"cook", "waiter", "chef"}


async def test_the_application_says_what_is_told_of_a_member(serve: Serve) -> None:
    app = an_app(presence_info_bytes=40)

    @app.presence_info
    def info(session: StompSession, destination: str) -> Any:
        assert session.principal is not None
        match session.principal.name:
            case "broken":
                raise RuntimeError("no hat")
            case "large":
                return "x" * 100
        return {"hat": session.principal.claims["hat"], "in": destination.rpartition("/")[2]}

    served = await serve(app)
    served.may_fail = True
    client = await watching(served)
    for name in ("cook", "broken", "large"):
        token = served.token(name, hat="white")
        await (await served.client({"Authorization": token})).subscribe(ROOM)
        await (await served.client({"Authorization": token})).subscribe(ROOM)
    infos = {(event := await told(client))["user"]: event["info"] for _ in range(3)}
    assert infos == {"cook": {"hat": "white", "in": "kitchen"}, "broken": None, "large": None}
    assert (await served.app.presence(ROOM)).users[0].info == {"hat": "white", "in": "kitchen"}
    assert served.node.statistics().presence.info_refused == 2
    assert served.logged("presence info failed")


def guarded() -> Stompede:
    app = make_app(presence_grace_s=0)

    @app.guard("/topic/rooms/{room}", on="subscribe")
    def may_enter(room: str, who: Principal) -> bool:
        return room == "kitchen" and who.name == "cook"

    app.destination("/topic/rooms/{room}", presence=True)
    return app


@pytest.mark.parametrize("order", ["guard first", "destination first"])
async def test_the_guards_of_a_destination_are_those_of_its_presence(serve: Serve, order: str) -> None:
    app = guarded()
    if order == "destination first":
        app = make_app()
        app.destination("/topic/rooms/{room}", presence=True)

        @app.guard("/topic/rooms/{room}", on="subscribe")
        def may_enter(room: str, who: Principal) -> bool:
            return room == "kitchen" and who.name == "cook"

    served = await serve(app)
    cook, thief, guest = await served.member("cook"), await served.member("thief"), await served.client()
    await cook.subscribe(ABOUT)
    assert (await told(cook))["type"] == "present"
    for client, code in ((thief, "forbidden"), (guest, "login-required")):
        await client.errors()
        for destination in (ABOUT, "/topic/presence/rooms/*", "/topic/>", "/topic/*/rooms/kitchen"):
            await client.send("SUBSCRIBE", {"id": destination, "destination": destination})
            problem = json.loads((await client.message()).body)
            assert problem["code"] in (code, "forbidden"), destination
    await cook.errors()
    await cook.send("SUBSCRIBE", {"id": 2, "destination": "/topic/presence/rooms/hall"})
    assert json.loads((await cook.message()).body)["code"] == "forbidden"


async def test_a_guard_is_asked_about_the_destination_that_the_topic_speaks_of(serve: Serve) -> None:
    from stompede import Message

    app = an_app()
    asked = []

    @app.guard("/topic/rooms/{room}")
    def look(message: Message, room: str) -> bool:
        asked.append((message.destination, room))
        return True

    served = await serve(app)
    client = await served.client()
    await client.subscribe(ABOUT)
    await served.app.check_access("subscribe", ABOUT, None)
    assert asked == [(ROOM, "kitchen")] * 2


async def test_who_loses_a_token_loses_its_place_and_gets_it_back_with_a_new_one(serve: Serve) -> None:
    served = await serve(guarded())
    served.node.settings = served.node.settings.model_copy(update={"token_grace_s": 0})
    cook = await served.member("cook", ttl_s=60)
    await cook.subscribe(ROOM)
    assert await served.app.presence_count(ROOM) == 1
    served.clock.shift += 100
    await until(lambda: not served.node.statistics().presence.members)
    await until(lambda: not served.node.presence.reporter.waiting)
    assert await served.app.presence_count(ROOM) == 0
    await cook.request("SEND", {"destination": "/topic/x", "Authorization": served.token("cook")}, "x")
    await until(lambda: served.node.statistics().presence.members)


async def test_clients_do_not_send_to_presence_topics(serve: Serve) -> None:
    served = await serve(an_app())
    client, forger = await watching(served), await served.client()
    await forger.errors()
    await forger.send("SEND", {"destination": ABOUT}, '{"type": "join", "user": "king"}')
    assert json.loads((await forger.message()).body)["code"] == "invalid-destination"
    assert await client.settle() == []


async def test_a_destination_without_presence_has_none_and_its_name_is_free(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.subscribe("/topic/presence/other")
    await client.send("SEND", {"destination": "/topic/presence/other"}, "mine")
    assert (await client.message()).text == "mine"
    await client.subscribe("/topic/other", "2")
    for destination in ("/topic/other", ABOUT, "/queue/x", "nonsense"):
        with pytest.raises(Problem, match="not-found"):
            await served.app.presence(destination)
        with pytest.raises(Problem, match="not-found"):
            await served.app.presence_count(destination)


async def test_who_subscribes_with_a_wildcard_is_on_no_destination(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.member("cook")
    await client.subscribe("/topic/rooms/*")
    assert served.node.statistics().presence.members == 0
    assert await served.app.presence_count(ROOM) == 0


@pytest.mark.parametrize("headers", [{}, {"history-last": 5}, {"recover-from": "x-1"}, {"ack": "client"}])
async def test_it_is_all_the_same_where_the_messages_come_from(
    serve: Serve, headers: dict[str, object]
) -> None:
    app = make_app(presence_grace_s=0)
    app.destination("/topic/rooms/{room}", presence=True, history=History(count=10))
    served = await serve(app)
    client, cook = await watching(served), await served.member("cook")
    await cook.subscribe(ROOM, 1, **headers)
    assert (await told(client))["type"] == "join"
    await cook.request("UNSUBSCRIBE", {"id": 1})
    assert (await told(client))["type"] == "leave"
    await cook.subscribe(ROOM, 1, **headers)
    assert (await told(client))["type"] == "join"
    cook.drop()
    assert (await told(client))["type"] == "leave"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_who_acknowledges_gets_the_events_too(serve: Serve, version: str) -> None:
    served = await serve(an_app())
    client, cook = await served.client({"accept-version": version}), await served.member("cook")
    await client.subscribe(ABOUT, "about", ack="client-individual")
    seen = []
    for _ in range(2):
        message = (await client.message()).headers
        name = {"id": message["ack"]} if version == "1.2" else {"message-id": message["message-id"]}
        answer = await client.request("ACK", {"subscription": "about", **name})
        seen.append(answer.command)
        if len(seen) == 1:
            await cook.subscribe(ROOM)
    assert seen == ["RECEIPT", "RECEIPT"]


async def test_where_nobody_asks_for_presence_there_is_none() -> None:
    app = make_app()
    async with app.running():
        assert app.node.presence is None
        assert app.node.statistics().presence.members == 0
        with pytest.raises(Problem, match="not-found"):
            await app.presence(ROOM)


def test_what_cannot_work_is_said_at_once() -> None:
    app = make_app()
    with pytest.raises(ConfigurationError, match="presence=True is for topics"):
        app.destination("/queue/jobs", presence=True)
    with pytest.raises(ConfigurationError, match="takes a plain def"):

        @app.presence_info
        async def slow(session: StompSession, destination: str) -> None: ...

    with pytest.raises(ConfigurationError, match=r"takes \(session, destination\)"):

        @app.presence_info
        def narrow(session: StompSession) -> None: ...

    app.presence_info(lambda session, destination: None)
    with pytest.raises(ConfigurationError, match="given twice"):
        app.presence_info(lambda session, destination: None)


async def test_the_catalogue_has_the_presence_topics() -> None:
    document = guarded().catalogue()
    channels = [
        one for one in document["channels"].values() if one["address"] == "/topic/presence/rooms/{room}"
    ]
    assert len(channels) == 1
    assert "may_enter" not in str(channels)
    assert channels[0]["x-guards"]
    assert {"Present", "Joined", "Left", "Counted"} <= set(document["components"]["schemas"])
