"""Messages that nobody acknowledges: which deliveries count, and where the dead go."""

import pytest
from ack_house import JOBS, answer, kept, messages, put, texts

from serving import Serve, make_app, until
from stompede import Queue


async def test_a_bad_line_costs_only_the_message_that_may_have_been_in_work_a_delivery(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=2))
    served = await serve(app)
    sender = await served.client()
    await put(sender, *range(20))
    done = []
    for _ in range(20):
        worker = await served.client()
        await worker.subscribe(JOBS, ack="client-individual")
        message = await worker.message()
        await answer(worker, message)
        done.append(message)
        worker.drop()
        await until(lambda: served.node.statistics().queues.consumers == 0)
    assert texts(done) == [str(number) for number in range(20)]
    assert [frame.headers.get("redelivered") for frame in done] == [None] + ["true"] * 19
    assert {frame.headers.get("delivery-count") for frame in done[1:]} <= {"1", "2"}
    assert (served.node.statistics().queues.dead, kept(served)) == (0, (0, 0))


@pytest.mark.parametrize("end", ["unsubscribe", "drop"])
async def test_the_oldest_message_of_consumers_that_go_away_dies_and_those_behind_it_live(
    serve: Serve, end: str
) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=3, dead_letters="/queue/dead"))
    served = await serve(app)
    sender = await served.client()
    await put(sender, "poison", "a", "b")
    for _ in range(3):
        worker = await served.client()
        await worker.subscribe(JOBS, ack="client-individual")
        assert texts(await messages(worker, 3)) == ["poison", "a", "b"]
        if end == "unsubscribe":
            await worker.request("UNSUBSCRIBE", {"id": 0})
        else:
            worker.drop()
        await until(lambda: served.node.statistics().queues.consumers == 0)
    await sender.subscribe("/queue/dead", 1)
    letter = await sender.message()
    assert (letter.text, letter.headers["delivery-count"]) == ("poison", "3")
    assert "redelivered" not in letter.headers  # as a letter it comes for the first time
    await sender.subscribe(JOBS, 2)
    assert texts(await messages(sender, 2)) == ["a", "b"]
    assert served.node.statistics().queues.dead == 1


async def test_after_max_deliveries_a_message_goes_to_dead_letters(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=3, dead_letters="/queue/dead"))
    served = await serve(app)
    client, undertaker = await served.client(), await served.client()
    await client.subscribe(JOBS, ack="client-individual")
    await client.request("SEND", {"destination": JOBS, "k": "v", "content-type": "text/plain"}, "soup")
    for _ in range(3):
        await answer(client, await client.message(), "NACK")
    await undertaker.subscribe("/queue/dead")
    letter = await undertaker.message()
    told = {
        name: letter.headers[name] for name in ("dead-letter-origin", "dead-letter-reason", "delivery-count")
    }
    assert told == {"dead-letter-origin": JOBS, "dead-letter-reason": "max-deliveries", "delivery-count": "3"}
    assert (letter.text, letter.headers["k"], letter.headers["content-type"]) == ("soup", "v", "text/plain")
    assert await client.settle() == []
    figures = served.node.statistics().queues
    assert (figures.dead, figures.buried, kept(served)) == (1, 1, (0, 0))


async def test_without_dead_letters_a_dead_message_is_dropped_and_counted(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=1))
    served = await serve(app)
    client = await served.client()
    await client.subscribe(JOBS, ack="client")
    await put(client, *"abc")
    for message in await messages(client, 3):
        await answer(client, message, "NACK")
    assert (served.node.statistics().queues.dead, kept(served)) == (3, (0, 0))
    told = "a dead message was dropped, because its queue has no dead letters"
    assert [line["dropped"] for line in served.logged(told, queue=JOBS)] == [1]  # a line now and then
    served.clock.shift += 20
    await put(client, "d")
    await answer(client, await client.message(), "NACK")
    assert [line["dropped"] for line in served.logged(told)] == [1, 3]


async def test_dead_letters_of_all_queues_are_no_dead_letters_of_their_own(serve: Serve) -> None:
    app = make_app()
    app.destination("/queue/{name}", queue=Queue(max_deliveries=1, dead_letters="/queue/dead"))
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/queue/a", 1, ack="client-individual")
    await client.subscribe("/queue/dead", 2, ack="client-individual")
    await put(client, "x", destination="/queue/a")
    await answer(client, await client.message(), "NACK")
    letter = await client.message()
    assert letter.headers["dead-letter-origin"] == "/queue/a"
    await answer(client, letter, "NACK")
    assert await client.settle() == []
    assert kept(served) == (0, 0)
    assert (served.node.statistics().queues.dead, served.node.statistics().queues.buried) == (2, 1)


async def test_dead_letters_that_are_full_lose_the_message_and_the_log_says_so(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=1, dead_letters="/queue/dead"))
    app.destination("/queue/dead", queue=Queue(max_messages=1))
    served = await serve(app)
    client = await served.client()
    await client.subscribe(JOBS, ack="client-individual")
    await put(client, "a", "b")
    for message in await messages(client, 2):
        await answer(client, message, "NACK")
    assert kept(served) == (1, 0)
    assert served.logged("a dead message was dropped, because dead letters are full")


async def test_dead_letters_without_room_lose_the_message_and_the_log_says_so(serve: Serve) -> None:
    app = make_app(max_queues=1)
    app.destination(JOBS, queue=Queue(max_deliveries=1, dead_letters="/queue/dead"))
    served = await serve(app)
    client = await served.client()
    await client.subscribe(JOBS, ack="client-individual")
    await put(client, "a", "b")
    got = await messages(client, 2)
    await answer(client, got[0], "NACK")
    assert kept(served) == (0, 1)
    assert served.logged(
        "a dead message was dropped, because there is no room for more in the queues of the node"
    )
