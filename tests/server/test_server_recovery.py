"""SUBSCRIBE with recover-from and history-last."""

import asyncio
import json
from typing import Any

import pytest

from serving import Serve, Served, make_app, until
from stompede import DropOldest, History, Stompede
from stompsocket import Frame, StompSocket

ROOM = "/topic/rooms/kitchen"


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)
    app.destination("/topic/rooms/{room}", history=History(count=10))
    app.destination("/topic/long/{name}", history=History(count=5000, size_bytes=64 * 1024 * 1024))
    app.destination("/topic/dropping/{name}", slow=DropOldest(), history=History(count=10))
    return app


async def publish(served: Served, numbers: range, destination: str = ROOM) -> None:
    for number in numbers:
        await served.app.publish(destination, str(number))


async def ask(client: StompSocket, destination: str = ROOM, sid: object = "0", **headers: object) -> Frame:
    """SUBSCRIBE; returns the RECEIPT."""
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("SUBSCRIBE", {"id": sid, "destination": destination, **said})


async def messages(client: StompSocket, count: int) -> list[Frame]:
    return [await client.message() for _ in range(count)]


def texts(frames: list[Frame]) -> list[str]:
    return [frame.text for frame in frames]


async def nothing_more(served: Served, client: StompSocket, destination: str = ROOM) -> None:
    """The next message is one that is published now."""
    await served.app.publish(destination, "end")
    assert (await client.message()).text == "end"


async def test_message_ids_of_a_destination_with_history_are_positions(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    receipt = await ask(client)
    epoch, offset = receipt.headers["position"].split("-")
    assert offset == "0"
    await publish(served, range(1, 4))
    found = await messages(client, 3)
    assert [frame.headers["message-id"] for frame in found] == [f"{epoch}-{n}" for n in (1, 2, 3)]
    assert [frame.headers.get("recovered") for frame in found] == [None] * 3
    assert "recovered" not in receipt.headers


async def test_who_comes_back_gets_what_it_missed_in_order_and_then_what_is_live(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await ask(client)
    await publish(served, range(1, 4))
    last = (await messages(client, 3))[-1].headers["message-id"]
    client.drop()
    await publish(served, range(4, 9))
    again = await served.client()
    receipt = await ask(again, recover_from=last)
    assert (receipt.headers["recovered"], receipt.headers["position"]) == ("true", last)
    missed = await messages(again, 5)
    assert texts(missed) == ["4", "5", "6", "7", "8"]
    assert {frame.headers["recovered"] for frame in missed} == {"true"}
    await publish(served, range(9, 11))
    live = await messages(again, 2)
    assert texts(live) == ["9", "10"]
    assert "recovered" not in live[0].headers
    ids = [frame.headers["message-id"].split("-")[1] for frame in missed + live]
    assert ids == [str(n) for n in range(4, 11)]


async def test_who_missed_nothing_is_told_so(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    first = await ask(client)
    again = await served.client()
    receipt = await ask(again, recover_from=first.headers["position"])
    assert receipt.headers["recovered"] == "true"
    await nothing_more(served, again)


async def test_who_missed_more_than_is_kept_gets_none_of_it(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    start = (await ask(client)).headers["position"]
    await publish(served, range(1, 12))
    again = await served.client()
    receipt = await ask(again, recover_from=start)
    assert receipt.headers["recovered"] == "false"
    assert receipt.headers["position"] == start.replace("-0", "-11")
    await nothing_more(served, again)


async def test_a_position_of_another_epoch_recovers_nothing(serve: Serve) -> None:
    served = await serve(an_app())
    await publish(served, range(1, 4))
    client = await served.client()
    receipt = await ask(client, recover_from="0123456789-1")
    assert receipt.headers["recovered"] == "false"
    await nothing_more(served, client)


async def test_who_asks_without_receipt_gets_the_messages_too(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    start = (await ask(client)).headers["position"]
    await publish(served, range(1, 4))
    again = await served.client()
    await again.send("SUBSCRIBE", {"id": 1, "destination": ROOM, "recover-from": start})
    assert texts(await messages(again, 3)) == ["1", "2", "3"]
    await nothing_more(served, again)


async def test_history_last_gives_the_newest_and_then_what_is_live(serve: Serve) -> None:
    served = await serve(an_app())
    await publish(served, range(1, 9))
    client = await served.client()
    receipt = await ask(client, history_last=3)
    assert "recovered" not in receipt.headers
    assert receipt.headers["position"].endswith("-5")
    found = await messages(client, 3)
    assert texts(found) == ["6", "7", "8"]
    assert {frame.headers["recovered"] for frame in found} == {"true"}
    await nothing_more(served, client)


async def test_history_last_of_more_than_there_is_gives_all(serve: Serve) -> None:
    served = await serve(an_app())
    await publish(served, range(1, 3))
    client = await served.client()
    assert (await ask(client, history_last=1000)).headers["position"].endswith("-0")
    assert texts(await messages(client, 2)) == ["1", "2"]
    await nothing_more(served, client)


async def test_without_history_nothing_is_recovered(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    receipt = await ask(client, "/topic/plain", recover_from="abc-1", history_last=3)
    assert receipt.headers["recovered"] == "false"
    assert "position" not in receipt.headers
    await nothing_more(served, client, "/topic/plain")


@pytest.mark.parametrize("destination", [ROOM, "/topic/plain", "/queue/plain"])
@pytest.mark.parametrize("newest", ["-1", "many", ""])
async def test_a_number_of_messages_that_is_none_is_a_soft_error(
    serve: Serve, destination: str, newest: str
) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.errors()
    await client.send(
        "SUBSCRIBE", {"id": 1, "destination": destination, "receipt": "r", "history-last": newest}
    )
    error = json.loads((await client.message()).body)
    assert error["code"] == "invalid-header"
    assert "history-last" in error["detail"]
    await ask(client, sid=1)
    await nothing_more(served, client)


@pytest.mark.parametrize("text", ["nonsense", "", "T_abc@12-3", "3eecb172-11", "k-007"])
async def test_an_id_of_somebody_else_recovers_nothing_and_refuses_nothing(serve: Serve, text: str) -> None:
    served = await serve(an_app())
    await publish(served, range(1, 4))
    client = await served.client()
    receipt = await ask(client, recover_from=text)
    assert (receipt.headers["recovered"], receipt.headers["position"][-2:]) == ("false", "-3")
    await nothing_more(served, client)


async def test_a_long_recovery_under_fire_has_no_gap_and_no_double(serve: Serve) -> None:
    served = await serve(an_app())
    place = "/topic/long/one"
    await publish(served, range(1, 2001), place)
    clients = [await served.client() for _ in range(8)]
    going = True

    async def fire() -> int:
        number = 2001
        while going:
            await publish(served, range(number, number + 5), place)
            number += 5
        return number

    firing = asyncio.create_task(fire())
    start = served.node.histories.store.last(place, 0, 0).top.epoch
    receipts = await asyncio.gather(
        *(ask(client, place, recover_from=f"{start}-{500 + n}") for n, client in enumerate(clients))
    )
    assert {receipt.headers["recovered"] for receipt in receipts} == {"true"}
    going = False
    end = await firing
    for number, client in enumerate(clients):
        expected = [str(n) for n in range(501 + number, end)]
        assert texts(await messages(client, len(expected))) == expected
        await nothing_more(served, client, place) if number == 7 else None


async def test_a_slow_client_recovers_more_than_may_wait_for_it(serve: Serve) -> None:
    served = await serve(an_app(outbound_bytes=50_000))
    place = "/topic/long/one"
    for number in range(600):
        await served.app.publish(place, f"{number} {'x' * 10_000}")
    client = await served.client(receive_buffer=4096)
    await client.send("SUBSCRIBE", {"id": 1, "destination": place, "history-last": 600})
    session = served.session(client)
    await until(lambda: session.outbox.blocked and served.node.recoverer.statistics().blocked == 1)
    await served.app.publish(place, "live")
    found = [frame.text.split()[0] for frame in await messages(client, 601)]
    assert found == [*map(str, range(600)), "live"]
    assert served.node.recoverer.statistics().blocked == 0
    assert served.node.outbox_counters.overflows == 0
    await nothing_more(served, client, place)


async def test_who_leaves_while_it_recovers_leaves_nothing_behind(serve: Serve) -> None:
    served = await serve(an_app())
    place = "/topic/long/one"
    for number in range(600):
        await served.app.publish(place, f"{number} {'x' * 10_000}")
    client = await served.client(receive_buffer=4096)
    await client.send("SUBSCRIBE", {"id": 1, "destination": place, "history-last": 600})
    session = served.session(client)
    await until(lambda: session.outbox.blocked and served.node.recoverer.statistics().blocked == 1)
    client.drop()
    await until(lambda: session.closed)
    figures = served.node.recoverer.statistics()
    assert (figures.running, figures.waiting, figures.blocked) == (0, 0, 0)
    assert served.node.hub.statistics().topics == 0
    assert served.node.histories.statistics().watched == 0


async def test_who_unsubscribes_while_it_recovers_gets_no_more_of_it(serve: Serve) -> None:
    served = await serve(an_app())
    place = "/topic/long/one"
    for number in range(600):
        await served.app.publish(place, f"{number} {'x' * 10_000}")
    client = await served.client(receive_buffer=4096)
    await client.send("SUBSCRIBE", {"id": 1, "destination": place, "history-last": 600})
    session = served.session(client)
    await until(lambda: session.outbox.blocked and served.node.recoverer.statistics().blocked == 1)
    await client.request("UNSUBSCRIBE", {"id": 1})
    assert served.node.recoverer.statistics().blocked == 0
    await publish(served, range(3), place)
    await client.settle()
    assert len([frame for frame in client.frames if frame.command == "MESSAGE"]) < 600


async def test_recoveries_wait_for_their_turn(serve: Serve) -> None:
    served = await serve(an_app(max_recoveries=2))
    await publish(served, range(1, 11))
    clients = [await served.client() for _ in range(7)]
    await asyncio.gather(*(ask(client, history_last=10) for client in clients))
    for client in clients:
        assert texts(await messages(client, 10)) == [str(n) for n in range(1, 11)]
    figures = served.node.recoverer.statistics()
    assert (figures.running, figures.waiting, figures.messages) == (0, 0, 70)
    await served.app.publish(ROOM, "end")
    for client in clients:
        assert (await client.message()).text == "end"


async def test_clients_that_recover_the_same_share_what_is_encoded(serve: Serve) -> None:
    served = await serve(an_app())
    place = "/topic/long/one"
    await publish(served, range(1, 1001), place)
    clients = [await served.client() for _ in range(20)]
    await asyncio.gather(*(ask(client, place, history_last=1000) for client in clients))
    for client in clients:
        assert texts(await messages(client, 1000)) == [str(n) for n in range(1, 1001)]
    figures = served.node.recoverer.statistics()
    assert figures.encoded < 3 * 1000 / 64
    assert figures.shared > 15 * 1000 / 64


async def test_secret_headers_never_reach_a_history(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.request(
        "SEND",
        {"destination": ROOM, "Authorization": served.token(), "passcode": "x", "colour": "red"},
        "hello",
    )
    page = served.node.histories.store.last(ROOM, 10, 0)
    assert [dict(kept.item.headers) for kept in page.items] == [{"colour": "red"}]
