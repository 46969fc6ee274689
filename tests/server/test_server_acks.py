"""ACK and NACK: modes, prefetch, redelivery; on queues and on topics."""

import itertools
from typing import Any

import pytest
from ack_house import JOBS, answer, client_of, kept, messages, put, texts

from serving import Serve, make_app, until
from stompede import Conflate, DropOldest, Queue
from stompede.messaging.message import Message, size_of
from stompsocket import encode

VERSIONS = ("1.0", "1.1", "1.2")


@pytest.mark.parametrize("version", VERSIONS)
async def test_client_acknowledges_all_before_and_individual_one(serve: Serve, version: str) -> None:
    served = await serve()
    client = await client_of(served, version)
    for mode, left in (("client", 1), ("client-individual", 3)):
        await client.subscribe(JOBS, mode, ack=mode)
        await put(client, *"abcd")
        got = await messages(client, 4)
        await answer(client, got[2])
        assert kept(served) == (0, left)
        for message in got[3:] if mode == "client" else (got[3], got[0], got[1]):
            await answer(client, message)
        assert kept(served) == (0, 0)
        await client.request("UNSUBSCRIBE", {"id": mode})


async def test_in_1_0_the_message_id_is_enough(serve: Serve) -> None:
    served = await serve()
    client = await client_of(served, "1.0")
    await client.request("SUBSCRIBE", {"destination": JOBS, "ack": "client"})
    await client.request("SUBSCRIBE", {"destination": "/queue/other", "ack": "client"})
    await put(client, "a", "b", destination="/queue/other")
    got = await messages(client, 2)
    await client.request("ACK", {"message-id": got[1].headers["message-id"]})
    assert kept(served) == (0, 0)


async def test_the_ack_header_is_there_where_it_must_be_and_unique(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe(JOBS, 1, ack="client")
    await client.subscribe("/topic/a", 2, ack="client-individual")
    await client.subscribe("/topic/a", 3, ack="auto")
    await client.subscribe("/session/queue/x", 4, ack="client")
    await put(client, "q")
    await put(client, "t", destination="/topic/a")
    await served.app.send_to_session(client.session, "/queue/x", "u")
    got = {frame.headers["subscription"]: frame for frame in await messages(client, 4)}
    assert "ack" not in got["3"].headers
    names = [got[sid].headers["ack"] for sid in "124"]
    assert len(set(names)) == 3
    for sid in "124":
        await answer(client, got[sid])
    old = await client_of(served, "1.1")
    await old.subscribe("/queue/old", 1, ack="client")
    await put(old, "q", destination="/queue/old")
    assert "ack" not in (await old.message()).headers


@pytest.mark.parametrize("command", ["ACK", "NACK"])
async def test_what_names_no_message_ends_the_session_with_a_sentence(serve: Serve, command: str) -> None:
    served = await serve()
    for version in ("1.1", "1.2"):
        client = await client_of(served, version)
        await client.subscribe(JOBS, 1, ack="client-individual")
        await put(client, "a")
        message = await client.message()
        await answer(client, message)
        error = await answer(client, message, command)  # twice is once too often
        assert error.command == "ERROR"
        assert f"{command} names no message" in error.headers["message"]
        assert (await client.closed()).code == 1002


async def test_no_more_than_the_prefetch_is_unacknowledged(serve: Serve) -> None:
    served = await serve(make_app(prefetch=4, max_prefetch=6))
    sender = await served.client()
    for said, expected in ((None, 4), ("2", 2), ("0", 6), ("100", 6)):
        await put(sender, *range(10))
        client = await served.client()
        headers = {} if said is None else {"prefetch-count": said}
        await client.subscribe(JOBS, ack="client-individual", **headers)
        got = await messages(client, expected)
        assert await client.settle() == []
        await answer(client, got[1])
        assert (await client.message()).text == str(expected)
        assert await client.settle() == []
        client.drop()
        await until(lambda: kept(served) == (9, 0))
        reader = await served.client()
        await reader.subscribe(JOBS)
        assert texts(await messages(reader, 9)) == [str(number) for number in range(10) if number != 1]
        reader.drop()
        await until(lambda: not served.node.statistics().queues.consumers)


@pytest.mark.parametrize("said", ["many", "-1", "", "٣", "1" * 10])
async def test_a_prefetch_that_is_no_number_is_refused(serve: Serve, said: str) -> None:
    served = await serve()
    client = await served.client()
    await client.errors()
    await client.send("SUBSCRIBE", {"id": 1, "destination": JOBS, "ack": "client", "prefetch-count": said})
    assert '"code":"invalid-header"' in (await client.message()).text


async def test_a_refused_message_goes_to_another_consumer_first(serve: Serve) -> None:
    served = await serve()
    one, two = await served.client(), await served.client()
    for client in (one, two):
        await client.subscribe(JOBS, ack="client-individual")
    await put(one, "a", "b")
    first, second = await one.message(), await two.message()
    await answer(one, first, "NACK")
    again = await two.message()
    assert (again.text, again.headers["redelivered"], again.headers["delivery-count"]) == (
        first.text,
        "true",
        "2",
    )
    assert again.headers["message-id"] == first.headers["message-id"]
    assert "redelivered" not in second.headers
    await answer(two, again, "NACK")
    third = await one.message()
    assert third.headers["delivery-count"] == "3"
    figures = served.node.statistics().queues
    assert (figures.refused, figures.redelivered) == (2, 2)


async def test_nothing_is_remembered_of_consumers_that_refused_and_went(serve: Serve) -> None:
    served = await serve()
    stays, goes = await served.client(), await served.client()
    for client in (goes, stays):
        await client.subscribe(JOBS, 1, ack="client-individual", **{"prefetch-count": "1"})
    await put(stays, "a", "b")
    message = await goes.message()
    frames = encode("NACK", {"id": message.headers["ack"]}), encode("UNSUBSCRIBE", {"id": 1, "receipt": "r"})
    await goes.send_ws(b"".join(frames))  # so that nobody can take it in between
    assert (await goes.frame()).headers["receipt-id"] == "r"
    assert kept(served) == (1, 1)
    assert served.node.queues._consumed[JOBS]._avoid == {}


async def test_who_is_alone_gets_what_it_refused_again(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe(JOBS, ack="client")
    await put(client, *"abc")
    got = await messages(client, 3)
    await answer(client, got[1], "NACK")  # in mode client NACK is cumulative, too
    assert texts(await messages(client, 2)) == ["a", "b"]


@pytest.mark.parametrize("end", ["unsubscribe", "disconnect", "drop"])
async def test_what_is_not_acknowledged_goes_back_to_the_front_in_order(serve: Serve, end: str) -> None:
    served = await serve()
    one, two = await served.client(), await served.client()
    await one.subscribe(JOBS, ack="client-individual", **{"prefetch-count": "3"})
    await put(two, *range(6))
    got = await messages(one, 3)
    await answer(one, got[1])
    await one.message()
    if end == "unsubscribe":
        await one.request("UNSUBSCRIBE", {"id": 0})
    elif end == "disconnect":
        await one.send("DISCONNECT", {"receipt": "bye"})
    else:
        one.drop()
    await until(lambda: kept(served) == (5, 0))
    await two.subscribe(JOBS)
    again = await messages(two, 5)
    assert texts(again) == ["0", "2", "3", "4", "5"]
    assert [frame.headers.get("redelivered") for frame in again] == ["true"] * 3 + [None] * 2


async def test_an_ack_that_comes_after_unsubscribe_is_a_soft_error(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.errors()
    await client.subscribe(JOBS, 1, ack="client")
    await put(client, "a")
    message = await client.message()
    await client.request("UNSUBSCRIBE", {"id": 1})
    await client.send("ACK", {"id": message.headers["ack"]})
    assert '"code":"not-found"' in (await client.message()).text


async def test_many_subscriptions_of_one_session_share_a_queue(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    for sid in range(3):
        await client.subscribe(JOBS, sid, ack="client-individual")
    await put(client, *range(6))
    got = await messages(client, 6)
    assert sorted(frame.headers["subscription"] for frame in got) == ["0", "0", "1", "1", "2", "2"]
    for message in got:
        await answer(client, message)
    assert kept(served) == (0, 0)


# Topics.


async def test_topics_may_be_acknowledged(serve: Serve) -> None:
    served = await serve()
    client, other = await served.client(), await served.client()
    await client.subscribe("/topic/a", ack="client-individual", **{"prefetch-count": "2"})
    await other.subscribe("/topic/a")
    await put(other, *range(5), destination="/topic/a")
    assert texts(await messages(other, 5)) == list("01234")
    got = await messages(client, 2)
    assert await client.settle() == []
    assert served.node.statistics().topic_acks.waiting == 3
    await answer(client, got[0])
    assert (await client.message()).text == "2"
    await client.request("UNSUBSCRIBE", {"id": 0})
    figures = served.node.statistics().topic_acks
    assert (figures.consumers, figures.waiting, figures.acknowledged) == (0, 0, 1)
    assert served.node.hub.subscribers("/topic/a") == 1


async def test_a_refused_message_of_a_topic_comes_again_and_then_is_dropped(serve: Serve) -> None:
    app = make_app()
    app.destination("/topic/a", queue=Queue(max_deliveries=2))
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/topic/a", ack="client")
    await put(client, *"abc", destination="/topic/a")
    got = await messages(client, 3)
    await answer(client, got[1], "NACK")
    again = await messages(client, 2)
    assert [(frame.text, frame.headers["delivery-count"]) for frame in again] == [("a", "2"), ("b", "2")]
    await answer(client, again[1], "NACK")
    last = await client.message()  # in mode client c, which came before them, was refused with them
    assert (last.text, last.headers["delivery-count"]) == ("c", "2")
    assert await client.settle() == []
    figures = served.node.statistics().topic_acks
    assert (figures.redelivered, figures.dropped) == (3, 2)


@pytest.mark.parametrize(
    ("slow", "left"),
    [(DropOldest(), ["0", "7", "8", "9"]), (Conflate(), ["0", "9"]), (Conflate("k"), ["0", "8", "9"])],
)
async def test_what_waits_for_a_slow_consumer_of_a_topic_is_bounded_by_its_policy(
    serve: Serve, slow: Any, left: list[str]
) -> None:
    app = make_app(outbound_bytes=5000)
    app.destination("/topic/a", slow=slow)
    served = await serve(app)
    client, sender = await served.client(), await served.client()
    await client.subscribe("/topic/a", ack="client", **{"prefetch-count": "1"})
    for number in range(10):
        await sender.request("SEND", {"destination": "/topic/a", "k": number % 2}, f"{number}" + " " * 1000)
    got = []
    for _ in left:
        got.append(await client.message())
        await answer(client, got[-1])
    assert [frame.text.strip() for frame in got] == left
    assert await client.settle() == []


@pytest.mark.parametrize("destination", ["/topic/x/a", "/topic/x/*"])
async def test_the_policy_of_a_messages_own_destination_counts_also_over_a_wildcard(
    serve: Serve, destination: str
) -> None:
    app = make_app(outbound_bytes=5000)
    app.destination("/topic/x/a", slow=DropOldest(), queue=Queue(max_deliveries=1))
    served = await serve(app)
    client, sender = await served.client(), await served.client()
    await client.subscribe(destination, ack="client", **{"prefetch-count": "1"})
    for number in range(10):
        await sender.request("SEND", {"destination": "/topic/x/a"}, f"{number}" + " " * 1000)
    got = []
    for _ in range(4):
        got.append(await client.message())
        await answer(client, got[-1], "NACK")
    assert [frame.text.strip() for frame in got] == ["0", "7", "8", "9"]
    assert await client.settle() == []


async def test_over_a_wildcard_nothing_is_dropped_that_its_own_destination_does_not_let_go(
    serve: Serve,
) -> None:
    app = make_app(outbound_bytes=5000)
    app.destination("/topic/x/a", slow=DropOldest())
    served = await serve(app)
    client, sender = await served.client(), await served.client()
    await client.subscribe("/topic/x/*", ack="client-individual", **{"prefetch-count": "1"})
    for number, name in enumerate("bbbaa"):
        await sender.request("SEND", {"destination": f"/topic/x/{name}"}, f"{name}{number}" + " " * 1000)
    got = []
    for _ in range(4):
        got.append(await client.message())
        await answer(client, got[-1])
    assert [frame.text.strip() for frame in got] == ["b0", "b1", "b2", "a4"]
    for _ in range(5):
        await sender.request("SEND", {"destination": "/topic/x/b"}, "b" + " " * 1000)
    await served.ended("slow-consumer")


async def test_who_acknowledges_a_topic_too_slowly_is_cut(serve: Serve) -> None:
    served = await serve(make_app(outbound_bytes=4000))
    client, sender = await served.client(), await served.client()
    await client.subscribe("/topic/a", ack="client", **{"prefetch-count": "1"})
    for _ in range(6):
        await sender.request("SEND", {"destination": "/topic/a"}, b"x" * 1000)
    await served.ended("slow-consumer")
    assert served.node.statistics().topic_acks.consumers == 0
    assert served.node.statistics().topic_acks.waiting == 0


async def test_acknowledging_many_is_one_ack(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe(JOBS, ack="client", **{"prefetch-count": "10"})
    await put(client, *range(100))
    got: list[str] = []
    for _ in range(10):
        batch = await messages(client, 10)
        got += texts(batch)
        await answer(client, batch[-1])
    assert got == [str(number) for number in range(100)]
    assert kept(served) == (0, 0)
    assert list(itertools.islice(served.session(client).ledger.consumers, 1)) == [1]  # type: ignore[union-attr]


async def test_headers_of_what_waits_for_a_slow_consumer_of_a_topic_count(serve: Serve) -> None:
    served = await serve(make_app(outbound_bytes=5000))
    client, sender = await served.client(), await served.client()
    await client.subscribe("/topic/a", ack="client", **{"prefetch-count": "1"})
    for _ in range(6):
        await sender.request("SEND", {"destination": "/topic/a", "k": "v" * 1000})
    await served.ended("slow-consumer")


async def test_what_waits_for_all_consumers_of_topics_of_a_session_has_one_bound(serve: Serve) -> None:
    served = await serve(make_app(outbound_bytes=5000))
    client, sender = await served.client(), await served.client()
    for number in range(5):
        await client.subscribe(f"/topic/{number}", number, ack="client", **{"prefetch-count": "1"})
        await sender.request("SEND", {"destination": f"/topic/{number}"}, "first")
    await messages(client, 5)
    figures = served.node.topic_acks
    for number in range(3):
        await sender.request("SEND", {"destination": f"/topic/{number}"}, b"x" * 1000)
    assert (figures.waiting, figures.waiting_bytes) == (3, 3 * size_of(Message("/topic/0", b"x" * 1000)))
    await sender.request("SEND", {"destination": "/topic/3"}, b"x" * 1000)
    await served.ended("slow-consumer")
    assert (figures.waiting, figures.waiting_bytes) == (0, 0)


async def test_where_another_topic_of_a_session_fills_its_bound_the_oldest_of_that_gives_way(
    serve: Serve,
) -> None:
    app = make_app(outbound_bytes=5000)
    app.destination("/topic/{name}", slow=DropOldest())
    served = await serve(app)
    client, sender = await served.client(), await served.client()
    for number in range(2):
        await client.subscribe(f"/topic/{number}", number, ack="client", **{"prefetch-count": "1"})
    for number in range(5):
        await sender.request("SEND", {"destination": "/topic/0"}, f"{number}" + " " * 1000)
    (first,) = await messages(client, 1)
    await sender.request("SEND", {"destination": "/topic/1"}, "other" + " " * 1000)
    assert (await client.message()).text.strip() == "other"
    got = [first]
    for _ in range(2):
        await answer(client, got[-1])
        got.append(await client.message())
    assert [frame.text.strip() for frame in got] == ["0", "3", "4"]
    assert await client.settle() == []
    await answer(client, got[-1])
    figures = served.node.topic_acks
    assert (figures.waiting, figures.waiting_bytes, figures.dropped) == (0, 0, 2)
