"""Queues: each message waits for one consumer."""

import itertools
from typing import Any

import pytest

from serving import Serve, make_app, until
from stompede import Problem, Queue, Stompede
from stompsocket import StompSocket

JOBS = "/queue/jobs"


async def put(client: StompSocket, *bodies: object, queue: str = JOBS) -> None:
    """Sends messages; returns when the queue has taken them."""
    for body in bodies:
        await client.request("SEND", {"destination": queue}, str(body))


async def texts(client: StompSocket, count: int) -> list[str]:
    return [(await client.message()).text for _ in range(count)]


def bounded(**bounds: Any) -> Stompede:
    app = make_app()
    app.destination(JOBS, queue=Queue(**bounds))
    return app


async def test_each_message_goes_to_one_consumer_and_they_share_fairly(serve: Serve) -> None:
    served = await serve()
    clients = [await served.client() for _ in range(3)]
    for client in clients:
        await client.subscribe(JOBS)
    await put(clients[0], *range(12))
    got = [await texts(client, 4) for client in clients]
    assert sorted(itertools.chain(*got), key=int) == [str(number) for number in range(12)]
    assert [await client.settle() for client in clients] == [[], [], []]


async def test_a_message_waits_until_somebody_subscribes(serve: Serve) -> None:
    served = await serve()
    sender = await served.client()
    await put(sender, *range(5))
    assert served.node.statistics().queues.store.waiting == 5
    reader = await served.client()
    await reader.subscribe(JOBS)
    assert await texts(reader, 5) == list("01234")
    await until(lambda: served.node.statistics().queues.store.queues == 0)


async def test_what_waits_is_handed_on_in_order_however_much_it_is(serve: Serve) -> None:
    served = await serve()
    sender, reader = await served.client(), await served.client()
    for number in range(1000):
        await sender.send("SEND", {"destination": JOBS}, str(number))
    await sender.settle()
    await reader.subscribe(JOBS)
    assert await texts(reader, 1000) == [str(number) for number in range(1000)]


async def test_the_receipt_of_a_send_comes_when_the_queue_has_it(serve: Serve) -> None:
    served = await serve()
    sender = await served.client()
    for number in range(1, 4):
        await put(sender, number)
        assert served.node.statistics().queues.store.appended == number
    assert served.node.statistics().bus.published == 0


async def test_a_full_queue_refuses_softly_and_sends_no_receipt(serve: Serve) -> None:
    served = await serve(bounded(max_messages=2))
    sender = await served.client()
    await sender.errors()
    await put(sender, 1, 2)
    await sender.send("SEND", {"destination": JOBS, "receipt": "r"}, "3")
    error = await sender.message()
    assert '"code":"queue-full"' in error.text
    assert "2 messages" in error.text
    assert error.headers["receipt-id"] == "r"
    assert await sender.settle() == []
    reader = await served.client()
    await reader.subscribe(JOBS)
    assert await texts(reader, 2) == ["1", "2"]
    await put(sender, 4)
    assert await texts(reader, 1) == ["4"]


async def test_bytes_are_bounded_headers_included(serve: Serve) -> None:
    served = await serve(bounded(max_bytes=2000))
    sender = await served.client()
    await sender.errors()
    await sender.request("SEND", {"destination": JOBS, "k": "v" * 500}, "x" * 400)
    await sender.send("SEND", {"destination": JOBS, "k": "v" * 500}, "x" * 400)
    assert '"code":"queue-full"' in (await sender.message()).text


async def test_a_queue_may_drop_its_oldest_instead(serve: Serve) -> None:
    served = await serve(bounded(max_messages=3, full="drop-oldest"))
    sender, reader = await served.client(), await served.client()
    await put(sender, *range(5))
    await reader.subscribe(JOBS)
    assert await texts(reader, 3) == ["2", "3", "4"]
    assert served.node.statistics().queues.store.dropped == 2


async def test_max_queues_bounds_queues_and_empty_ones_vanish(serve: Serve) -> None:
    app = make_app(max_queues=2)
    app.destination("/queue/{name}", queue=Queue())
    served = await serve(app)
    sender, reader = await served.client(), await served.client()
    await sender.errors()
    await reader.errors()
    await put(sender, 1, queue="/queue/a")
    await put(sender, 1, queue="/queue/b")
    await sender.send("SEND", {"destination": "/queue/c"}, "1")
    assert "max_queues" in (await sender.message()).text
    for number, name in enumerate("ab"):
        await reader.subscribe(f"/queue/{name}", number)
    await texts(reader, 2)
    await reader.send("SUBSCRIBE", {"id": 9, "destination": "/queue/c"})
    assert "max_queues" in (await reader.message()).text
    await until(lambda: served.node.statistics().queues.store.queues == 0)
    await put(sender, 1, queue="/queue/c")


async def test_queues_that_nobody_asked_for_leave_room_for_those_that_are_declared_or_consumed(
    serve: Serve,
) -> None:
    app = make_app(max_queues=20)
    app.destination(JOBS, queue=Queue())
    served = await serve(app)
    stranger, worker = await served.client(), await served.client()
    await stranger.errors()
    for number in range(12):
        await stranger.send("SEND", {"destination": f"/queue/junk{number}"}, "x")
    assert "not declared and has no consumers" in (await stranger.message()).text
    assert "max_queues" in (await stranger.message()).text
    assert served.node.statistics().queues.store.queues == 10
    await put(worker, 1)
    await worker.subscribe("/queue/undeclared", ack="client")
    await put(worker, 2, queue="/queue/undeclared")
    assert await texts(worker, 1) == ["2"]


async def test_all_queues_of_a_node_together_are_bounded_in_bytes(serve: Serve) -> None:
    served = await serve(make_app(queue_bytes=1000))
    client = await served.client()
    await client.errors()
    await put(client, "x" * 600, queue="/queue/a")
    await client.send("SEND", {"destination": "/queue/b", "receipt": "r"}, "x" * 600)
    error = await client.message()
    assert "queue_bytes" in error.text
    assert error.headers["receipt-id"] == "r"
    await client.subscribe("/queue/a")
    await client.message()
    await until(lambda: served.node.statistics().queues.store.size_bytes == 0)
    await put(client, "x" * 600, queue="/queue/b")


async def test_the_application_publishes_to_queues_and_is_told_when_one_is_full(serve: Serve) -> None:
    app = bounded(max_messages=1)
    served = await serve(app)
    await app.publish(JOBS, {"soup": 1}, headers={"k": "v"})
    with pytest.raises(Problem, match="queue-full"):
        await app.publish(JOBS, "more")
    reader = await served.client()
    await reader.subscribe(JOBS)
    message = await reader.message()
    assert (message.text, message.headers["k"]) == ('{"soup":1}', "v")


async def test_a_handler_publishes_to_a_queue_and_its_client_is_told_when_it_is_full(serve: Serve) -> None:
    app = bounded(max_messages=1)

    @app.message("/jobs", publish=JOBS)
    async def job(body: str) -> str:
        return body.upper()

    served = await serve(app)
    client = await served.client()
    await client.errors()
    await client.request("SEND", {"destination": "/app/jobs"}, "one")
    await client.send("SEND", {"destination": "/app/jobs", "receipt": "r"}, "two")
    error = await client.message()
    assert '"code":"queue-full"' in error.text
    assert error.headers["receipt-id"] == "r"
    await client.subscribe(JOBS)
    assert (await client.message()).text == "ONE"


async def test_guards_decide_about_queues(serve: Serve) -> None:
    app = make_app()

    @app.guard("/queue/{name}", on="subscribe")
    async def nobody(name: str) -> bool:
        return name == "open"

    served = await serve(app)
    client = await served.client()
    await client.errors()
    await client.subscribe("/queue/open")
    await client.send("SUBSCRIBE", {"id": 2, "destination": "/queue/shut"})
    assert '"code":"forbidden"' in (await client.message()).text


async def test_a_consumer_whose_socket_takes_nothing_gets_no_more(serve: Serve) -> None:
    served = await serve(make_app(outbound_bytes=256 * 1024))
    sender, slow, quick = await served.client(), await served.client(), await served.client()
    await slow.subscribe(JOBS)
    body = b"x" * 50_000
    for _ in range(200):
        await sender.request("SEND", {"destination": JOBS}, body)
    assert served.session(slow).outbox.blocked
    waiting = served.node.statistics().queues.store.waiting
    assert waiting > 0  # those that the kernel did not take; the session lives
    await quick.subscribe(JOBS)
    for _ in range(waiting):
        assert len((await quick.message()).body) == 50_000
    for _ in range(200 - waiting):
        assert len((await slow.message()).body) == 50_000
    assert served.node.statistics().outboxes.overflows == 0
    await sender.request("SEND", {"destination": JOBS}, b"last")
    await sender.request("SEND", {"destination": JOBS}, b"last")
    assert (await slow.message()).text == (await quick.message()).text == "last"


async def test_messages_expire_by_the_clock_of_the_node(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(ttl_s=60))
    served = await serve(app)
    sender, reader = await served.client(), await served.client()
    await put(sender, 1)
    served.clock.shift += 50
    await put(sender, 2)
    served.clock.shift += 20
    await until(lambda: served.node.statistics().queues.expired == 1)
    await reader.subscribe(JOBS)
    assert await texts(reader, 1) == ["2"]


async def test_what_expired_goes_to_dead_letters_where_there_are_some(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(ttl_s=60, dead_letters="/queue/dead"))
    served = await serve(app)
    client = await served.client()
    await client.subscribe("/queue/dead")
    await client.request("SEND", {"destination": JOBS, "k": "v"}, "soup")
    served.clock.shift += 70
    letter = await client.message()
    assert (letter.text, letter.headers["k"]) == ("soup", "v")
    assert letter.headers["dead-letter-origin"] == JOBS
    assert letter.headers["dead-letter-reason"] == "expired"


async def test_what_the_server_says_of_a_message_its_sender_cannot_say(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.subscribe(JOBS)
    said = {
        "redelivered": "true",
        "delivery-count": "9",
        "dead-letter-origin": "x",
        "dead-letter-reason": "x",
        "recovered": "true",
        "position": "x-1",
    }
    await client.send("SEND", {"destination": JOBS, **said, "own": "1"}, "soup")
    message = await client.message()
    assert message.headers["own"] == "1"
    assert not said.keys() & message.headers.keys()


async def test_a_queue_has_no_wildcards(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.errors()
    for command in ("SEND", "SUBSCRIBE"):
        await client.send(command, {"id": 1, "destination": "/queue/*"})
        assert "wildcards" in (await client.message()).text


async def test_listeners_are_told_of_subscriptions_to_queues(serve: Serve) -> None:
    app = make_app()
    told: list[tuple[str, str]] = []

    @app.on_subscribe
    async def came(session: object, destination: str) -> None:
        told.append(("came", destination))

    @app.on_unsubscribe
    async def went(session: object, destination: str) -> None:
        told.append(("went", destination))

    served = await serve(app)
    client = await served.client()
    await client.subscribe(JOBS)
    await client.request("UNSUBSCRIBE", {"id": 0})
    assert told == [("came", JOBS), ("went", JOBS)]
    assert served.node.statistics().queues.consumed == 0


async def test_a_session_whose_token_ran_out_gets_nothing_more_from_guarded_queues(serve: Serve) -> None:
    app = make_app(token_grace_s=1)

    @app.guard(JOBS)
    async def anybody() -> bool:
        return True

    served = await serve(app)
    member, other = await served.member(ttl_s=60), await served.client()
    await member.errors()
    await member.subscribe(JOBS, 1, ack="client-individual")
    await put(other, 1, 2)
    first = await member.message()
    await member.message()
    served.clock.shift += 70
    assert '"code":"token-expired"' in (await member.message()).text
    await other.subscribe(JOBS)
    assert await texts(other, 2) == ["1", "2"]
    await member.send("ACK", {"id": first.headers["ack"], "Authorization": served.token()})
    assert "went back" in (await member.message()).text  # softly: the client could not know
    await until(lambda: not served.session(member).subscriptions["1"].suspended)
    await put(other, *range(3, 7))
    assert (await member.message()).text in "34"
