"""Recovery of subscriptions that acknowledge: what was missed is subject to the prefetch as what is live."""

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from serving import Serve, Served, make_app, until
from stompede import DropOldest, History, Principal, Stompede
from stompsocket import Frame, StompSocket

sys.path.append(str(Path(__file__).parents[1] / "testing"))

from history_faults import LateHistory

ROOM = "/topic/rooms/kitchen"
LONG = "/topic/long/one"
SHUT = "/topic/shut"
VERSIONS = ("1.0", "1.1", "1.2")


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)
    app.destination("/topic/rooms/{room}", history=History(count=10))
    app.destination("/topic/long/{name}", history=History(count=5000, size_bytes=64 * 1024 * 1024))
    app.destination("/topic/dropping/{name}", slow=DropOldest(), history=History(count=10))
    app.destination(SHUT, history=History(count=1000))

    @app.guard(SHUT)
    async def members(who: Principal) -> bool:
        return True

    return app


async def publish(served: Served, numbers: range, destination: str = ROOM) -> None:
    for number in numbers:
        await served.app.publish(destination, str(number))


async def ask(
    client: StompSocket, destination: str = ROOM, ack: str = "client-individual", **headers: object
) -> Frame:
    """SUBSCRIBE; returns the RECEIPT."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("SUBSCRIBE", {"id": 1, "destination": destination, "ack": ack, **said})


async def messages(client: StompSocket, count: int) -> list[Frame]:
    return [await client.message() for _ in range(count)]


def texts(frames: list[Frame]) -> list[str]:
    return [frame.text for frame in frames]


async def answer(client: StompSocket, message: Frame, command: str = "ACK", **headers: str) -> None:
    named = {"id": message.headers["ack"]} if "ack" in message.headers else {
        "message-id": message.headers["message-id"], "subscription": "1",
    }  # fmt: skip
    await client.send(command, {**named, **headers})


def nothing_left(served: Served) -> bool:
    figures, acks = served.node.recoverer.statistics(), served.node.topic_acks
    return (figures.running, figures.waiting, figures.blocked, acks.consumers, acks.waiting) == (
        0,
        0,
        0,
        0,
        0,
    )


@pytest.mark.parametrize("version", VERSIONS)
async def test_what_was_missed_comes_as_prefetch_allows_and_then_what_is_live(
    serve: Serve, version: str
) -> None:
    served = await serve(an_app())
    client = await served.open()
    await client.connect({"accept-version": version})
    await publish(served, range(1, 6))
    start = f"{served.node.histories.store.last(ROOM, 0, 0).top.epoch}-1"
    receipt = await ask(client, recover_from=start, prefetch_count=2)
    assert (receipt.headers["recovered"], receipt.headers["position"]) == ("true", start)
    await publish(served, range(6, 8))
    got: list[Frame] = []
    for delivered in (2, 3, 4, 5, 6, 6):
        await until(lambda expected=delivered: served.node.topic_acks.delivered == expected)
        got += await messages(client, 1)
        await answer(client, got[-1])
    assert texts(got) == ["2", "3", "4", "5", "6", "7"]
    assert {frame.headers["recovered"] for frame in got} == {"true"}  # those that came meanwhile, too
    assert [frame.headers["message-id"][-1] for frame in got] == list("234567")
    await until(lambda: served.node.topic_acks.acknowledged == 6)
    await publish(served, range(8, 10))
    live = await messages(client, 2)
    assert texts(live) == ["8", "9"]
    assert "recovered" not in live[0].headers


async def test_a_cumulative_ack_frees_all_before_it(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await publish(served, range(200), LONG)
    receipt = await ask(client, LONG, "client", history_last=150, prefetch_count=10)
    assert receipt.headers["position"].endswith("-50")
    got: list[str] = []
    while len(got) < 150:
        some = await messages(client, 10)
        got += texts(some)
        await answer(client, some[-1])
    assert got == [str(number) for number in range(50, 200)]


async def test_without_a_wish_only_live_messages_come_and_the_receipt_has_the_position(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await publish(served, range(1, 4))
    receipt = await ask(client)
    assert receipt.headers["position"].endswith("-3")
    assert "recovered" not in receipt.headers
    await publish(served, range(4, 5))
    assert texts(await messages(client, 1)) == ["4"]


async def test_what_is_no_longer_kept_is_not_recovered(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await publish(served, range(1, 20))
    start = f"{served.node.histories.store.last(ROOM, 0, 0).top.epoch}-1"
    assert (await ask(client, recover_from=start)).headers["recovered"] == "false"
    await publish(served, range(20, 21))
    assert texts(await messages(client, 1)) == ["20"]


async def test_what_is_refused_comes_again_and_still_says_that_it_was_recovered(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await publish(served, range(1, 4))
    await ask(client, history_last=3, prefetch_count=1)
    (first,) = await messages(client, 1)
    await answer(client, first, "NACK")
    (again,) = await messages(client, 1)
    assert (again.text, again.headers["redelivered"], again.headers["recovered"]) == ("1", "true", "true")
    await answer(client, again)
    assert texts(await messages(client, 1)) == ["2"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_under_fire_there_is_no_gap_and_no_double(serve: Serve, seed: int, late: bool) -> None:
    chance = random.Random(seed)
    served = await serve(an_app())
    memory = served.node.histories.store
    if late:
        served.node.histories.store = LateHistory()
        memory = served.node.histories.store.memory
    client = await served.client()
    published = chance.randrange(100, 300)
    await publish(served, range(published), LONG)
    epoch, begun = memory.last(LONG, 0, 0).top.epoch, chance.randrange(90)
    prefetch = chance.choice((1, 3, 32, 100))
    receipt = await ask(client, LONG, recover_from=f"{epoch}-{begun}", prefetch_count=prefetch)
    assert receipt.headers["recovered"] == "true"
    got: list[str] = []
    kept: list[Frame] = []
    while len(got) < published - begun:
        frame = await client.message()
        if "redelivered" not in frame.headers:
            got.append(frame.text)
        if chance.random() < 0.2 and published < 600:
            more = chance.randrange(1, 20)
            await publish(served, range(published, published + more), LONG)
            published += more
        kept.append(frame)
        while len(kept) > min(2, prefetch - 1) or (kept and chance.random() < 0.5):
            one = kept.pop(chance.randrange(len(kept)))
            refused = "redelivered" not in one.headers and chance.random() < 0.1
            await answer(client, one, "NACK" if refused else "ACK")
    assert got == [str(number) for number in range(begun, published)]
    assert served.node.topic_acks.redelivered > 0


async def test_a_consumer_that_lets_it_be_forgotten_is_cut_or_goes_on_as_its_policy_says(
    serve: Serve,
) -> None:
    served = await serve(an_app())
    for place, cut in ((ROOM, True), ("/topic/dropping/one", False)):
        client = await served.client()
        await publish(served, range(200), place)
        await served.app.publish(place, "x")
        await ask(client, place, history_last=10, prefetch_count=1)
        await publish(served, range(1000, 1100), place)
        for _ in range(9):  # what it was given to wait is not lost; the history has forgotten what comes then
            await answer(client, await client.message())
        if cut:
            error = await client.frame_where(lambda frame: frame.command == "ERROR", "ERROR")
            assert error.headers["disconnect-reason"] == "slow-consumer"
            continue
        await answer(client, await client.message())
        await until(lambda: served.node.recoverer.statistics().outrun == 2)
        await publish(served, range(2000, 2001), place)
        assert texts(await messages(client, 1)) == ["2000"]


@pytest.mark.parametrize("how", ["UNSUBSCRIBE", "drop", "DISCONNECT"])
@pytest.mark.parametrize("caught_up", [False, True])
async def test_who_leaves_leaves_nothing_behind(serve: Serve, how: str, caught_up: bool) -> None:
    served = await serve(an_app())
    client = await served.client()
    await publish(served, range(500), LONG)
    await ask(client, LONG, history_last=2 if caught_up else 500, prefetch_count=2)
    await messages(client, 2)
    if caught_up:
        await until(lambda: served.node.recoverer.statistics().running == 0)
    else:
        await until(lambda: served.node.recoverer.statistics().blocked == 1)
    if how == "drop":
        client.drop()
    else:
        await client.request(how, {"id": 1} if how == "UNSUBSCRIBE" else {})
    await until(lambda: nothing_left(served))
    assert served.node.hub.statistics().topics == 0
    assert served.node.histories.statistics().watched == 0


@pytest.mark.parametrize("caught_up", [False, True])
async def test_after_a_token_ran_out_what_was_not_acknowledged_comes_again(
    serve: Serve, caught_up: bool
) -> None:
    served = await serve(an_app(token_grace_s=1))
    client = await served.client({"Authorization": served.token(ttl_s=60)})
    await client.errors()
    await publish(served, range(300), SHUT)
    await ask(client, SHUT, history_last=5 if caught_up else 200, prefetch_count=5)
    got = await messages(client, 5)
    first = 295 if caught_up else 100
    assert texts(got) == [str(first + each) for each in range(5)]
    await answer(client, got[0])
    if not caught_up:
        assert texts(await messages(client, 1)) == [str(first + 5)]
    await client.request("BEGIN", {"transaction": "t"})
    await answer(client, got[1], transaction="t")  # it is not committed
    await answer(client, got[3])
    if not caught_up:
        assert texts(await messages(client, 1)) == [str(first + 6)]
    served.clock.shift += 70
    assert '"code":"token-expired"' in (await client.message()).text
    await client.request("SEND", {"destination": "/topic/x", "Authorization": served.token()})
    again = await messages(client, 4 if caught_up else 5)
    assert texts(again) == [str(first + each) for each in range(1, 5 if caught_up else 6)]


async def test_who_leaves_before_the_store_has_answered_leaves_nothing_behind(serve: Serve) -> None:
    served = await serve(an_app())
    served.node.histories.store = LateHistory()
    client = await served.client()
    for sid in range(50):
        headers = {"id": sid, "destination": ROOM, "ack": "client", "history-last": 5}
        await client.send("SUBSCRIBE", headers)
        await client.send("UNSUBSCRIBE", {"id": sid})
    await client.send("SUBSCRIBE", {"id": 1, "destination": ROOM, "ack": "client", "history-last": 5})
    client.drop()
    await until(lambda: not served.node.sessions)
    await until(lambda: nothing_left(served))
    assert served.node.hub.statistics().topics == 0
