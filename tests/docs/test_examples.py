"""Every example of the documentation does what the documentation says."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from stompede import RequestError, SessionClosedError, Stompede, testing
from stompede.client import Backoff
from stompede.testing.contracts import SharedBusContract

ROOT = Path(__file__).parents[2]


async def test_the_chat_room_of_the_tutorial_carries_a_message(example):
    chat = example("chat")
    async with testing.connect(chat.app, member="cook") as cook, testing.connect(chat.app) as guest:
        async with guest.subscribe("/topic/rooms/kitchen", chat.Said) as messages:
            await cook.send("/app/rooms/kitchen/say", chat.Say("soup"))
            await guest.send("/app/rooms/kitchen/say", chat.Say("smells good"))
            assert (await messages.next()).body == chat.Said("cook", "soup")
            assert (await messages.next()).body == chat.Said("guest", "smells good")


async def test_a_body_of_the_wrong_shape_names_the_field(example):
    chat = example("chat")
    async with testing.connect(chat.app) as guest:
        with pytest.raises(RequestError) as refused:
            await guest.send("/app/rooms/kitchen/say", {"text": 5})
    assert refused.value.code == "invalid-body"
    assert refused.value.detail == "Expected `str`, got `int` - at `$.text`"


async def test_a_guard_that_admits_wildcards_is_asked_with_the_wildcard(example):
    stocks = example("wildcards")
    async with testing.connect(stocks.app, member="clerk") as clerk:
        async with clerk.subscribe("/topic/stocks/ibm") as ticks:
            await stocks.app.publish("/topic/stocks/ibm", "1")
            assert (await ticks.next()).body == b"1"
        for wildcard in ("/topic/stocks/*", "/topic/>"):
            with pytest.raises(RequestError) as refused:
                async with clerk.subscribe(wildcard):
                    pass
            assert refused.value.code == "forbidden"
    async with testing.connect(stocks.app, member="trader", scopes=["traders"]) as trader:
        async with trader.subscribe("/topic/**") as ticks:
            await stocks.app.publish("/topic/stocks/sun", "2")
            message = await ticks.next()
            assert (message.destination, message.body) == ("/topic/stocks/sun", b"2")


async def test_an_order_waits_until_a_cook_takes_it(example):
    kitchen = example("queues")
    async with testing.connect(kitchen.app, member="waiter") as waiter:
        for dish in ("soup", "bread"):
            await waiter.send("/app/orders", kitchen.Order(dish))
        with pytest.raises(RequestError, match="forbidden"):
            async with waiter.subscribe("/queue/orders"):
                pass
        async with testing.connect(kitchen.app, member="mary", scopes=["cook"]) as cook:
            async with cook.subscribe("/queue/orders", kitchen.Order) as orders:
                assert [(await orders.next()).body.dish for _ in range(2)] == ["soup", "bread"]


async def test_an_order_that_nobody_cooks_ends_among_the_dead_letters(example):
    kitchen = example("queues")
    clock = testing.ManualClock()
    with clock.driving():
        async with testing.connect(kitchen.app, member="waiter", clock=clock) as waiter:
            await waiter.send("/app/orders", kitchen.Order("soup"))
            async with waiter.subscribe("/queue/orders-nobody-cooked", kitchen.Order) as dead:
                await clock.advance(3605)
                letter = await dead.next()
                assert letter.body.dish == "soup"
                assert letter.headers["dead-letter-reason"] == "expired"


@pytest.mark.parametrize("way", ["work", "work_in_one_step"])
async def test_a_worker_cooks_what_waits(example, way):
    worker = example("worker")
    app = Stompede()
    async with testing.connect(app) as waiter, testing.connect(app) as cook:
        await waiter.send("/queue/orders", worker.Order("soup"))
        task = asyncio.create_task(getattr(worker, way)(cook))
        async with waiter.subscribe("/queue/dishes", worker.Dish) as dishes:
            assert (await dishes.next()).body == worker.Dish("hot soup")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_the_test_in_the_documentation_passes(tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    ran = subprocess.run(
        [*command, str(ROOT / "docs" / "examples" / "test_chat.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


def test_the_bus_of_the_documentation_passes_the_suite_with_no_configuration(tmp_path):
    suite = ROOT / "docs" / "examples" / "test_own_bus.py"  # of own_bus.py
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["-c", os.devnull, "--rootdir", str(tmp_path), str(suite)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    tests = [name for name in dir(SharedBusContract) if name.startswith("test_")]
    assert f"{len(tests)} passed" in ran.stdout


async def test_a_plain_def_without_publish_answers_the_one_who_asks(example):
    handlers = example("handlers")
    async with testing.connect(handlers.app) as client:
        assert await client.request("/app/ping", handlers.Ping(7), handlers.Pong) == handlers.Pong(7)


async def test_a_handler_publishes_and_answers_after_its_dependency_has_closed(example):
    handlers = example("handlers")
    async with testing.connect(handlers.app, member="rider-1") as rider:
        async with rider.subscribe("/topic/orders/17", handlers.Taken) as news:
            headers = {"accept-language": "fi-FI"}
            answer = await rider.request("/app/orders/17/take", reply_type=handlers.Taken, headers=headers)
            assert answer == handlers.Taken(17, "rider-1", "moi")
            assert (await news.next()).body == answer
            assert handlers.ledger.committed == 1


async def test_none_publishes_nothing(example):
    handlers = example("handlers")
    async with testing.connect(handlers.app, member="rider-1") as rider:
        async with rider.subscribe("/topic/orders/17", handlers.Taken) as news:
            for _ in range(2):
                await rider.send("/app/orders/17/take", headers={"accept-language": "en"})
            await rider.send("/topic/orders/17", handlers.Taken(17, "test", "end"))
            assert [(await news.next()).body.by for _ in range(2)] == ["rider-1", "test"]


async def test_a_path_variable_of_the_wrong_type_a_guest_and_a_missing_header_are_soft_errors(example):
    handlers = example("handlers")
    async with (
        testing.connect(handlers.app, member="rider-1") as rider,
        testing.connect(handlers.app) as guest,
    ):
        for client, destination, code in [
            (rider, "/app/orders/first/take", "invalid-path"),
            (guest, "/app/orders/17/take", "login-required"),
            (rider, "/app/orders/17/take", "invalid-header"),
        ]:
            headers = {} if code == "invalid-header" else {"accept-language": "en"}
            with pytest.raises(RequestError) as refused:
                await client.send(destination, headers=headers)
            assert refused.value.code == code


async def test_a_subscription_to_an_application_destination_is_answered_once(example):
    handlers = example("handlers")
    async with testing.connect(handlers.app) as client:
        async with client.subscribe("/app/rooms/kitchen/members", list[handlers.Member]) as answer:
            assert (await answer.next()).body == [handlers.Member("cook"), handlers.Member("waiter")]


async def test_bodies_may_be_struct_dataclass_typed_dict_pydantic_builtin_and_bytes(example):
    bodies = example("bodies")
    async with testing.connect(bodies.app) as client:
        assert await client.request("/app/spoon", {"size_ml": 5}, bodies.Spoon) == bodies.Spoon(5)
        assert await client.request("/app/fork", {"prongs": 3}, bodies.Fork) == bodies.Fork(3)
        assert await client.request("/app/knife", {"length_cm": 9.5}, dict) == {"length_cm": 9.5}
        assert await client.request("/app/pan", {"diameterCm": 28}, dict) == {"diameterCm": 28}
        assert await client.request("/app/list", [1, 2, 3], dict) == {"sum": 6}
        assert await client.request("/app/raw", b"\x00\x01\xff", bytes) == b"\xff\x01\x00"


async def test_message_and_session_are_what_they_say(example):
    bodies = example("bodies")
    async with testing.connect(bodies.app) as client:
        for asked in (1, 2):
            seen = await client.request("/app/whoami", "hello", dict)
            assert seen == {
                "destination": "/app/whoami",
                "contentType": "text/plain;charset=utf-8",
                "bytes": 5,
                "version": "1.2",
                "asked": asked,
            }


async def test_exceptions_of_the_application_become_problems(example):
    rooms = example("rooms")
    async with testing.connect(rooms.app, member="cook") as cook:
        for room, text, code, detail in [
            ("cellar", "hello", "room-closed", "cellar is closed until tomorrow"),
            ("kitchen", " ", "nothing-said", "the text is empty"),
        ]:
            with pytest.raises(RequestError) as refused:
                await cook.send(f"/app/rooms/{room}/say", rooms.Say(text))
            assert (refused.value.code, refused.value.detail) == (code, detail)


async def test_a_guard_lets_its_guests_in_and_denies_what_no_guard_allows(example):
    rooms = example("rooms")
    async with (
        testing.connect(rooms.app, member="cook") as cook,
        testing.connect(rooms.app, member="thief") as thief,
    ):
        async with cook.subscribe("/topic/rooms/kitchen", rooms.Said) as messages:
            with pytest.raises(RequestError, match="forbidden"):
                async with thief.subscribe("/topic/rooms/kitchen"):
                    pass
            with pytest.raises(RequestError, match="forbidden"):
                await cook.send("/topic/rooms/kitchen", rooms.Said("cook", "not by a handler"))
            await cook.send("/app/rooms/kitchen/say", rooms.Say("soup"))
            assert (await messages.next()).body == rooms.Said("cook", "soup")


async def test_an_interceptor_changes_and_refuses(example):
    rooms = example("rooms")
    async with testing.connect(rooms.app, member="cook", client_address="192.0.2.7") as cook:
        async with cook.subscribe("/topic/hall") as messages:
            await cook.send("/topic/hall", "hello")
            assert (await messages.next()).headers["client"] == "192.0.2.7"
            with pytest.raises(RequestError, match="no spam here"):
                await cook.send("/topic/hall", "spam")


async def test_events_tell_of_sessions_and_subscriptions(example):
    rooms = example("rooms")
    async with testing.connect(rooms.app, member="cook") as cook:
        session = cook.session_id
        async with cook.subscribe("/topic/rooms/kitchen"):
            pass
    assert rooms.log == [
        f"{session} came",
        f"{session} entered /topic/rooms/kitchen",
        f"{session} left: disconnect",
    ]


async def test_a_route_a_thread_and_the_loop_publish(example):
    publishing = example("publishing")
    async with testing.connect(publishing.app) as client:
        async with client.subscribe("/topic/rooms/kitchen", publishing.Said) as messages:
            transport = httpx.ASGITransport(publishing.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://node") as browser:
                answer = await browser.post("/rooms/kitchen/announce", params={"text": "soup"})
            assert answer.json() == {"published": True}
            assert (await messages.next()).body == publishing.Said("cook", "soup")
            await publishing.measure_oven()
            assert (await messages.next()).body == publishing.Said("oven", "180 °C")


async def test_a_route_of_ones_own_refuses_as_a_subscription_would(example):
    publishing = example("publishing")
    async with publishing.app.running():
        transport = httpx.ASGITransport(publishing.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as browser:
            assert (await browser.get("/rooms/kitchen")).json() == {"room": "kitchen"}
            refused = await browser.get("/rooms/kitchen", headers={"Authorization": "Bearer x"})
    assert (refused.status_code, refused.json()["code"]) == (401, "token-invalid")
    assert refused.headers["content-type"] == "application/problem+json"


async def test_user_destinations_reach_all_sessions_of_a_member_or_one_session(example):
    publishing = example("publishing")
    app, offer = publishing.app, publishing.Offer
    async with testing.connect(app, member="m-7") as phone, testing.connect(app, member="m-7") as laptop:
        async with (
            phone.subscribe("/user/queue/offers", offer) as on_phone,
            laptop.subscribe("/user/queue/offers", offer) as on_laptop,
            phone.subscribe("/session/queue/offers", offer) as here,
        ):
            await publishing.offer_to("m-7", 5)
            assert (await on_phone.next()).body == (await on_laptop.next()).body == offer(5)
            await publishing.offer_here(phone.session_id, 6)
            assert (await here.next()).body == offer(6)


async def test_a_slow_client_of_a_conflated_destination_gets_the_newest(example):
    slow = example("slow")
    async with testing.connect(slow.app) as rider, testing.connect(slow.app, capacity_bytes=4096) as page:
        async with page.subscribe("/topic/rider/1", int) as positions:
            testing.link_of(page).pause_reading()
            for position in range(500):
                await rider.send("/topic/rider/1", position)
            testing.link_of(page).resume_reading()
            seen = [(await positions.next()).body]
            while seen[-1] != 499:
                seen.append((await positions.next()).body)
    assert seen == sorted(seen)
    assert len(seen) < 500


async def test_login_and_passcode_are_proved_by_the_application(example):
    login = example("login")
    async with testing.connect(login.app, login="cook", passcode="soup") as cook:
        assert await cook.request("/app/secret", reply_type=str) == "cook may know"
    with pytest.raises(SessionClosedError, match="wrong"):
        async with testing.connect(login.app, login="cook", passcode="tea"):
            pass


async def test_a_token_of_the_applications_issuer_makes_a_member(example):
    login = example("login")
    async with testing.connect(login.app, token=login.token_for("cook")) as cook:
        assert await cook.request("/app/secret", reply_type=str) == "cook may know"


async def test_presence_tells_who_is_in_a_room_to_those_who_may_enter_it(example):
    presence = example("presence")
    app, room = presence.app, presence.Room()
    kitchen, about = "/topic/rooms/kitchen", "/topic/presence/rooms/kitchen"
    async with testing.connect(app) as guest, testing.connect(app, member="cook") as cook:
        async with cook.subscribe(kitchen), guest.subscribe(about, presence.PresenceEvent) as events:
            room.apply((await events.next()).body)
            assert (room.users, room.count) == ({"cook": {"hat": None}}, 1)
            async with testing.connect(app, member="waiter") as waiter, waiter.subscribe(kitchen):
                room.apply((await events.next()).body)
                assert (set(room.users), room.count) == ({"cook", "waiter"}, 2)
                assert await presence.names("kitchen") == ["cook", "waiter"]
                assert not await presence.is_worth_cooking("kitchen")
                assert await presence.throw_out("waiter") == ["testclient"]
            with pytest.raises(RequestError, match="forbidden"):
                async with guest.subscribe("/topic/presence/rooms/office"):
                    pass
            room.apply(presence.Left("waiter", None, 1, 0))
            room.apply(presence.Counted(7, 6))
            assert (set(room.users), room.count) == ({"cook"}, 7)


async def test_a_client_of_the_documentation_watches_a_room_on_a_port(example, serve_node, tmp_path):
    presence = example("presence")
    node = serve_node(
        "presence:app", cwd=ROOT / "docs" / "examples", STOMPEDE_DATA_DIR=str(tmp_path / "node")
    )
    one_is_there = asyncio.Event()

    class Room(presence.Room):
        def apply(self, event):
            super().apply(event)
            if self.count == 1:
                one_is_there.set()

    watching = asyncio.create_task(presence.watch(node.stomp_url, Room()))
    async with presence.connect(node.stomp_url) as guest, guest.subscribe("/topic/rooms/kitchen"):
        async with asyncio.timeout(30):
            await one_is_there.wait()
    watching.cancel()
    await asyncio.wait([watching])


@pytest.mark.timeout(60)
async def test_the_client_of_the_documentation_talks_to_a_node_on_a_port(
    example, serve_node, capsys, tmp_path
):
    client = example("client")
    (tmp_path / "both.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'docs' / 'examples')!r})\n"
        "from chat import app, say\n"
        "from handlers import ping\n"
        "app.message('/ping')(ping)\n"
    )
    node = serve_node("both:app", STOMPEDE_DATA_DIR=str(tmp_path))

    async def fetch_token() -> str:
        command = [sys.executable, "-m", "stompede", "token", "cook"]
        run = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
        return (await run.communicate())[0].decode().strip()

    await client.main(node.stomp_url, fetch_token)
    assert capsys.readouterr().out == "1\ncook says soup\n"


async def test_a_listener_that_comes_back_has_missed_nothing(example):
    recovery = example("recovery")
    room = "/topic/rooms/kitchen"
    async with testing.connect(recovery.app, reconnect=Backoff(initial_s=0, max_s=0)) as client:
        await recovery.app.publish(room, recovery.Said("cook", "soup"))
        headers = {"history-last": "20"}
        async with client.subscribe(room, recovery.Said, headers=headers) as messages:
            assert ((first := await messages.next()).body.text, first.recovered) == ("soup", True)
            (session,) = recovery.app.node.sessions.values()
            session.transport.abort()
            await recovery.app.publish(room, recovery.Said("cook", "cake"))
            await client.wait_disconnected()
            await recovery.app.publish(room, recovery.Said("cook", "tea"))
            found = [await messages.next(), await messages.next()]
            assert [message.body.text for message in found] == ["cake", "tea"]
            assert messages.statistics().gaps == 0
