"""Positions are checked: what the bus loses is filled from the history, or the subscribers are told."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from serving import Serve, Served, make_app, until
from stompede import BusError, ConfigurationError, DropOldest, History, Principal, Stompede
from stompede.messaging import codecs
from stompede.messaging.message import Message, size_of
from stompede.server.fanout.publication import Publication
from stompede.store import MemoryHistory, Page, Position
from stompsocket import Frame, StompSocket

sys.path.append(str(Path(__file__).parents[1] / "testing"))

from history_faults import LateHistory

ROOM = "/topic/rooms/kitchen"
SMALL = "/topic/small/kitchen"


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)
    app.destination("/topic/rooms/{room}", history=History(count=1000))
    app.destination("/topic/small/{room}", history=History(count=2))
    app.destination(
        "/topic/dropping/{room}", slow=DropOldest(), history=History(count=60, size_bytes=1 << 24)
    )
    app.destination("/topic/members/{room}", history=History(count=3))

    @app.guard("/topic/members/{room}")
    def members_only(_: Principal) -> bool:
        return True

    return app


async def publish(served: Served, numbers: range, destination: str = ROOM) -> None:
    for number in numbers:
        await served.app.publish(destination, str(number))


def lose(served: Served, numbers: range, destination: str = ROOM) -> list[Publication]:
    """Messages that the store took and the bus lost."""
    store, lost = served.node.histories.store, []
    for number in numbers:
        message = Message(destination, str(number).encode())
        position = store.append(destination, message, 1, History(count=1000), 0)
        assert isinstance(position, Position)
        lost.append(Publication(message, None, str(position)))
    return lost


async def subscribed(served: Served, *destinations: str, **headers: object) -> StompSocket:
    client = await served.client()
    await client.errors()
    for sid, destination in enumerate(destinations or (ROOM,)):
        await client.subscribe(destination, sid, **headers)
    return client


async def messages(client: StompSocket, count: int) -> list[Frame]:
    return [await client.message() for _ in range(count)]


def texts(frames: list[Frame]) -> list[str]:
    return [frame.text for frame in frames]


async def test_what_the_bus_lost_is_delivered_from_the_history_in_its_place(serve: Serve) -> None:
    served = await serve(an_app())
    client = await subscribed(served)
    await publish(served, range(1, 3))
    lose(served, range(3, 6))
    await publish(served, range(6, 8))
    found = await messages(client, 7)
    assert texts(found) == [str(n) for n in range(1, 8)]
    assert [frame.headers["message-id"].split("-")[1] for frame in found] == [str(n) for n in range(1, 8)]
    figures = served.node.histories.statistics()
    assert (figures.gaps, figures.filled, figures.lost) == (1, 4, 0)


async def test_publications_that_overtook_each_other_are_put_right(serve: Serve) -> None:
    served = await serve(an_app())
    client = await subscribed(served)
    first, second, third = lose(served, range(1, 4))
    for publication in (second, first, third, third, second):
        served.node.delivery.deliver(publication)
    await publish(served, range(4, 5))
    assert texts(await messages(client, 4)) == ["1", "2", "3", "4"]
    assert served.node.histories.statistics().repeated == 5


async def test_what_nobody_has_any_more_is_said_on_the_error_channel(serve: Serve) -> None:
    served = await serve(an_app())
    client = await subscribed(served, SMALL, ROOM)
    other = await subscribed(served, ROOM)
    await publish(served, range(1, 2), SMALL)
    for number in range(2, 9):
        message = Message(SMALL, str(number).encode())
        served.node.histories.store.append(SMALL, message, 1, History(count=2), 0)
    await publish(served, range(9, 10), SMALL)
    await publish(served, range(1, 2), ROOM)
    found = await messages(client, 4)
    told = [json.loads(frame.body) for frame in found if frame.headers["subscription"] == "errors"]
    assert [(error["code"], error["destination"]) for error in told] == [("messages-lost", SMALL)]
    assert texts([frame for frame in found if frame.headers["subscription"] == "0"]) == ["1", "9"]
    assert texts(await other.settle()) == ["1"]
    assert served.node.histories.statistics().lost == 1
    await publish(served, range(10, 11), SMALL)
    assert (await client.message()).text == "10", "and it goes on"


async def test_a_store_that_answers_late_keeps_the_order(serve: Serve) -> None:
    served = await serve(an_app())
    late = served.node.histories.store = LateHistory()
    client = await subscribed(served)
    outcomes = [served.app.publish_nowait(ROOM, str(number)) for number in range(1, 51)]
    for outcome in reversed(outcomes):
        assert outcome is not None
        await outcome
    assert texts(await messages(client, 50)) == [str(n) for n in range(1, 51)]
    late.memory.append(ROOM, Message(ROOM, b"51"), 2, History(), 0)
    for number in range(52, 60):
        served.app.publish_nowait(ROOM, str(number))
    assert texts(await messages(client, 9)) == [str(n) for n in range(51, 60)]
    assert served.node.histories.statistics().filled > 0


async def test_with_a_store_that_answers_late_recoveries_under_fire_have_no_gap(serve: Serve) -> None:
    served = await serve(an_app(max_recoveries=2))
    late = served.node.histories.store = LateHistory()
    await publish(served, range(1, 101))
    epoch = late.memory.last(ROOM, 0, 0).top.epoch
    going = True

    async def fire() -> int:
        number = 101
        while going:
            await publish(served, range(number, number + 3))
            number += 3
        return number

    firing = asyncio.create_task(fire())
    clients = [await served.client() for _ in range(6)]
    receipts = await asyncio.gather(
        *(
            client.request("SUBSCRIBE", {"id": 1, "destination": ROOM, "recover-from": f"{epoch}-{10 * n}"})
            for n, client in enumerate(clients)
        )
    )
    assert {receipt.headers["recovered"] for receipt in receipts} == {"true"}
    going = False
    end = await firing
    for number, client in enumerate(clients):
        expected = [str(n) for n in range(10 * number + 1, end)]
        assert texts(await messages(client, len(expected))) == expected
    figures = served.node.recoverer.statistics()
    assert (figures.running, figures.waiting, figures.blocked) == (0, 0, 0)


async def test_a_history_that_begins_anew_on_a_node_that_is_alone_is_no_loss(serve: Serve) -> None:
    served = await serve(an_app(history_destinations=1))
    client = await subscribed(served)
    await publish(served, range(1, 3))
    await publish(served, range(1, 2), SMALL)
    await publish(served, range(3, 4))
    found = await messages(client, 3)
    assert texts(found) == ["1", "2", "3"]
    assert found[2].headers["message-id"].endswith("-1")
    assert found[1].headers["message-id"].split("-")[0] != found[2].headers["message-id"].split("-")[0]
    assert await client.settle() == []


async def test_a_store_that_is_ahead_of_the_bus_makes_no_double(serve: Serve) -> None:
    served = await serve(an_app())
    live = await subscribed(served)
    await publish(served, range(1, 2))
    start = (await live.message()).headers["message-id"]
    on_the_way = lose(served, range(2, 6))
    client = await subscribed(served, **{"recover-from": start})
    assert texts(await messages(client, 4)) == ["2", "3", "4", "5"]
    for publication in on_the_way:
        served.node.delivery.deliver(publication)
    await publish(served, range(6, 9))
    assert texts(await messages(client, 3)) == ["6", "7", "8"]
    assert texts(await messages(live, 7)) == [str(n) for n in range(2, 9)]
    figures = served.node.recoverer.statistics()
    assert (figures.running, figures.waiting) == (0, 0)
    assert served.node.histories.statistics().gaps == 0
    await live.request("UNSUBSCRIBE", {"id": 0})
    await client.request("UNSUBSCRIBE", {"id": 0})
    assert served.node.hub.statistics().topics == 0


@pytest.mark.parametrize("history", [History(count=0), History(size_bytes=0), History(age_s=0)])
def test_a_history_that_keeps_nothing_is_refused_at_the_start(history: History) -> None:
    with pytest.raises(ConfigurationError, match="keeps nothing"):
        make_app().destination("/topic/a", history=history)


def test_a_queue_has_no_history() -> None:
    with pytest.raises(ConfigurationError, match="only topics have a history"):
        make_app().destination("/queue/a", history=History())


async def test_all_histories_of_a_node_together_are_bounded(serve: Serve) -> None:
    served = await serve(an_app(history_destinations=5, history_bytes=10_000))
    for number in range(20):
        await served.app.publish(f"/topic/rooms/{number}", "x" * 100)
    assert served.node.statistics().history.destinations == 5
    for number in range(20):
        await served.app.publish(f"/topic/rooms/{number}", "x" * 4000)
    figures = served.node.statistics().history
    last = Message("/topic/rooms/19", b"x" * 4000, codecs.TEXT)
    assert (figures.destinations, figures.messages, figures.size_bytes) == (2, 2, 2 * size_of(last))
    assert figures.evicted == 38


async def test_a_shared_history_that_begins_anew_may_hide_a_loss(serve: Serve) -> None:
    served = await serve(an_app(history_destinations=1))
    store = served.node.histories.store
    assert isinstance(store, MemoryHistory)
    store.shared = True  # type: ignore[misc]  # as a server's is
    client = await subscribed(served)
    await publish(served, range(1, 3))
    await publish(served, range(1, 2), SMALL)
    await publish(served, range(3, 4))
    frames = await messages(client, 4)
    told = [json.loads(frame.body)["code"] for frame in frames if frame.headers["subscription"] == "errors"]
    assert told == ["messages-lost"]
    assert texts([frame for frame in frames if frame.headers["subscription"] == "0"]) == ["1", "2", "3"]


async def test_what_a_shared_store_has_and_the_bus_lost_last_is_noticed_in_silence(serve: Serve) -> None:
    served = await serve(an_app())
    late = served.node.histories.store = LateHistory()
    late.shared = True
    client = await subscribed(served)
    await publish(served, range(1, 3))
    late.memory.append(ROOM, Message(ROOM, b"3"), 1, History(), 0)
    assert texts(await messages(client, 3)) == ["1", "2", "3"]
    for number in range(1500):
        late.memory.append(ROOM, Message(ROOM, str(number).encode()), 1, History(count=2), 0)
    assert json.loads((await client.message()).body)["code"] == "messages-lost"
    await publish(served, range(4, 5))
    assert (await client.message()).text == "4"


async def test_a_store_that_fails_while_a_gap_is_filled_is_a_loss_that_is_said(serve: Serve) -> None:
    class AwayHistory(LateHistory):
        def read(self, destination: str, after: Position, limit: int, now: float) -> Any:
            raise BusError("away")

    served = await serve(an_app())
    away = served.node.histories.store = AwayHistory()
    client = await subscribed(served)
    await publish(served, range(1, 2))
    away.memory.append(ROOM, Message(ROOM, b"lost"), 1, History(), 0)
    await publish(served, range(2, 4))
    frames = await messages(client, 4)
    assert texts([frame for frame in frames if frame.headers["subscription"] == "0"]) == ["1", "2", "3"]
    assert served.node.histories.statistics().lost == 1
    receipt = served.node.hub.statistics().subscriptions
    refused = await served.client()
    await refused.errors()
    await refused.send("SUBSCRIBE", {"id": 1, "destination": ROOM, "recover-from": "abc-1", "receipt": "r"})
    assert json.loads((await refused.message()).body)["code"] == "unavailable"
    assert served.node.hub.statistics().subscriptions == receipt, "nothing is left of it"
    assert served.node.recoverer.statistics().running == 0


async def test_what_a_policy_drops_is_no_loss(serve: Serve) -> None:
    served = await serve(an_app(outbound_bytes=100_000))
    place = "/topic/dropping/one"
    client = await served.client(receive_buffer=4096)
    await client.errors()
    await client.subscribe(place)
    session = served.session(client)
    count = 0
    while served.node.outbox_counters.dropped < 5:
        count += 1
        await served.app.publish(place, f"{count} {'x' * 20_000}")
    await served.app.publish(place, f"{count + 1} end")
    found: list[Frame] = []
    while not found or not found[-1].text.endswith("end"):
        found.append(await client.message())
    numbers = [int(frame.text.split()[0]) for frame in found]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= count - 4
    assert {frame.headers["subscription"] for frame in found} == {"0"}
    assert not session.closed
    figures = served.node.histories.statistics()
    assert (figures.gaps, figures.lost) == (0, 0)


async def slow_recovery(served: Served, place: str) -> StompSocket:
    """A client that recovers and does not read, until its socket is full."""
    for number in range(60):
        await served.app.publish(place, f"{number} {'x' * 60_000}")
    client = await served.client(receive_buffer=4096)
    await client.send("SUBSCRIBE", {"id": 0, "destination": place, "history-last": 60})
    await until(lambda: served.node.recoverer.statistics().blocked == 1)
    for number in range(60, 200):
        await served.app.publish(place, f"{number} {'x' * 1000}")
    return client


async def test_who_recovers_more_slowly_than_the_history_forgets_is_a_slow_consumer(serve: Serve) -> None:
    app = an_app()
    app.destination("/topic/cutting", history=History(count=60, size_bytes=1 << 24))
    served = await serve(app)
    client = await slow_recovery(served, "/topic/cutting")
    closed = await client.closed()
    assert closed.reason == "slow-consumer"
    assert served.node.recoverer.statistics().outrun == 1
    numbers = [int(frame.text.split()[0]) for frame in client.frames if frame.command == "MESSAGE"]
    assert numbers == list(range(len(numbers))), "what it got has no gap"


async def test_where_slow_consumers_lose_the_oldest_a_slow_recovery_does_too(serve: Serve) -> None:
    served = await serve(an_app())
    client = await slow_recovery(served, "/topic/dropping/one")
    reading = asyncio.create_task(client.frame_where(lambda frame: frame.text == "end", "the end"))
    await until(lambda: served.node.recoverer.statistics().outrun == 1)
    await served.app.publish("/topic/dropping/one", "end")
    await reading
    assert served.node.recoverer.statistics().running == 0


async def test_a_subscription_whose_token_ran_out_goes_on_where_it_stopped(serve: Serve) -> None:
    served = await serve(an_app(token_grace_s=0))
    place = "/topic/members/room"
    client = await served.member("cook", 60)
    await client.errors()
    await client.subscribe(place)
    await publish(served, range(1, 2), place)
    assert (await client.message()).text == "1"
    served.clock.shift = 61
    assert json.loads((await client.message()).body)["code"] == "token-expired"
    await publish(served, range(2, 5), place)
    await client.subscribe("/session/queue/other", 7, Authorization=served.token("cook", 60))
    found = await messages(client, 3)
    assert texts(found) == ["2", "3", "4"]
    await publish(served, range(5, 6), place)
    assert (await client.message()).text == "5"
    served.clock.shift = 125
    assert json.loads((await client.message()).body)["code"] == "token-expired"
    await publish(served, range(6, 15), place)
    await client.subscribe("/session/queue/other", 8, Authorization=served.token("cook"))
    told = json.loads((await client.message()).body)
    assert (told["code"], told["destination"]) == ("messages-lost", place)
    await publish(served, range(15, 16), place)
    assert (await client.message()).text == "15"


async def test_a_store_that_says_nothing_is_missing_does_not_keep_a_recovery_for_ever(serve: Serve) -> None:
    class DeafHistory(LateHistory):
        """Once it is deaf it has nothing new, and says that nothing is missing."""

        deaf = False

        def read(self, destination: str, after: Position, limit: int, now: float) -> Any:
            page = self.memory.read(destination, after, limit, now)
            return self.later(Page((), page.top) if self.deaf else page)

    served = await serve(an_app())
    place = "/topic/dropping/one"
    store = served.node.histories.store = DeafHistory()
    client = await slow_recovery(served, place)
    store.deaf = True
    reading = asyncio.create_task(client.frame_where(lambda frame: frame.text == "end", "the end"))
    await until(lambda: served.node.recoverer.statistics().outrun == 1)
    await served.app.publish(place, "end")
    await reading
