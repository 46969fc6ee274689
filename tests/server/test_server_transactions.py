"""BEGIN, COMMIT and ABORT over SEND, ACK and NACK."""

from typing import Any

import pytest

from serving import Serve, Served, make_app, shortly, until
from stompede import Principal, Problem, Queue, SendCommand, StompSession
from stompede.messaging.message import Message, size_of
from stompsocket import Frame, StompSocket

JOBS = "/queue/jobs"
IN = {"transaction": "t"}


async def begin(served: Served, **headers: Any) -> StompSocket:
    """A client with a transaction and an ear for errors."""
    client = await served.client(headers)
    await client.errors()
    await client.request("BEGIN", IN)
    return client


async def put(client: StompSocket, *bodies: str, destination: str = JOBS, **headers: str) -> None:
    for body in bodies:
        await client.request("SEND", {"destination": destination, **headers}, body)


async def messages(client: StompSocket, count: int) -> list[Frame]:
    return [await client.message() for _ in range(count)]


async def refused(client: StompSocket, command: str, code: str, **headers: str) -> Frame:
    """Sends a frame that must get a soft error in the place of its RECEIPT."""
    await client.send(command, {**IN, **headers, "receipt": "refused"}, "x" if command == "SEND" else "")
    error = await client.message()
    assert f'"code":"{code}"' in error.text
    assert error.headers["receipt-id"] == "refused"
    return error


def appended(served: Served) -> int:
    return served.node.statistics().queues.store.appended


async def test_nothing_is_sent_before_commit_and_then_all_of_it_in_order(serve: Serve) -> None:
    served = await serve()
    client, reader = await begin(served), await served.client()
    await reader.subscribe(JOBS)
    await reader.subscribe("/topic/a", 1)
    await put(client, "1", "2", **IN)
    await put(client, "3", destination="/topic/a", **IN)
    assert await reader.settle() == []
    await client.request("COMMIT", IN)
    got = await messages(reader, 3)
    assert sorted(frame.text for frame in got) == ["1", "2", "3"]
    assert not any("transaction" in frame.headers for frame in got)
    figures = served.node.transactions
    assert (figures.open, figures.committed, figures.aborted, figures.refused) == (0, 1, 0, 0)


async def test_abort_forgets_all_of_it(serve: Serve) -> None:
    served = await serve()
    client = await begin(served)
    await put(client, "1", **IN)
    await client.request("ABORT", IN)
    assert appended(served) == 0
    await client.request("BEGIN", IN)  # the name is free again
    await put(client, "2", **IN)
    await client.request("COMMIT", IN)
    assert appended(served) == 1


async def test_acks_count_from_commit_on(serve: Serve) -> None:
    served = await serve()
    client = await begin(served)
    await client.subscribe(JOBS, 1, ack="client-individual", **{"prefetch-count": "2"})
    await put(client, "1", "2", "3")
    one, two = await messages(client, 2)
    await client.request("ACK", {"id": one.headers["ack"], **IN})
    await client.request("NACK", {"id": two.headers["ack"], **IN})
    assert await client.settle() == []  # they fill the prefetch until then
    assert served.node.statistics().queues.store.taken == 2
    await client.request("COMMIT", IN)
    assert sorted(frame.text for frame in await messages(client, 2)) == ["2", "3"]


async def test_abort_makes_acks_undone_in_the_old_order(serve: Serve) -> None:
    served = await serve()
    client = await begin(served)
    await client.subscribe(JOBS, 1, ack="client")
    await put(client, *"abcd")
    got = await messages(client, 4)
    await client.request("ACK", {"id": got[1].headers["ack"], **IN})
    await client.request("ABORT", IN)
    await client.request("ACK", {"id": got[2].headers["ack"]})  # cumulative: a, b and c
    assert served.node.statistics().queues.store.taken == 1
    assert served.node.statistics().queues.acknowledged == 3


@pytest.mark.parametrize("how", ["drop", "disconnect", "unsubscribe"])
async def test_the_end_of_the_session_aborts(serve: Serve, how: str) -> None:
    served = await serve()
    client, other = await begin(served), await served.client()
    await client.subscribe(JOBS, 1, ack="client-individual")
    await put(other, *"abc")
    got = await messages(client, 3)
    await client.request("ACK", {"id": got[1].headers["ack"], **IN})
    await put(client, "never", **IN)
    if how == "unsubscribe":  # what the transaction has stays with it
        await client.request("UNSUBSCRIBE", {"id": 1})
        assert served.node.statistics().queues.store.taken == 1
        await client.request("ABORT", IN)
    elif how == "drop":
        client.drop()
    else:
        await client.send("DISCONNECT")
    await until(lambda: served.node.statistics().queues.store.waiting == 3)
    assert served.node.statistics().transactions.open == 0
    await other.subscribe(JOBS)
    assert [frame.text for frame in await messages(other, 3)] == ["a", "b", "c"]


async def test_acks_of_a_subscription_that_ended_can_still_be_committed(serve: Serve) -> None:
    served = await serve()
    client = await begin(served)
    await client.subscribe(JOBS, 1, ack="client-individual")
    await put(client, "a")
    (message,) = await messages(client, 1)
    await client.request("ACK", {"id": message.headers["ack"], **IN})
    await client.request("UNSUBSCRIBE", {"id": 1})
    await client.request("COMMIT", IN)
    assert served.node.statistics().queues.store.queues == 0


async def test_a_full_queue_refuses_the_whole_transaction(serve: Serve) -> None:
    app = make_app()
    app.destination("/queue/small", queue=Queue(max_messages=1))
    served = await serve(app)
    client, listener = await begin(served), await served.client()
    await listener.subscribe("/topic/a")
    await client.subscribe(JOBS, 1, ack="client")
    await put(client, "a")
    (message,) = await messages(client, 1)
    await put(client, "1", "2", destination="/queue/small", **IN)
    await put(client, "3", destination="/queue/other", **IN)
    await put(client, "4", destination="/topic/a", **IN)
    await client.request("ACK", {"id": message.headers["ack"], **IN})
    await refused(client, "COMMIT", "queue-full")
    assert appended(served) == 1
    assert await listener.settle() == []
    await client.request("ACK", {"id": message.headers["ack"]})  # it was not acknowledged
    figures = served.node.transactions
    assert (figures.open, figures.committed, figures.refused) == (0, 0, 1)


async def test_what_an_ack_frees_makes_room_in_the_same_transaction(serve: Serve) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_messages=1))
    served = await serve(app)
    client = await begin(served)
    await client.subscribe(JOBS, 1, ack="client")
    await put(client, "a")
    (message,) = await messages(client, 1)
    await client.request("ACK", {"id": message.headers["ack"], **IN})
    await put(client, "b", **IN)
    await client.request("COMMIT", IN)
    assert (await client.message()).text == "b"


async def test_a_refused_frame_spoils_its_transaction(serve: Serve) -> None:
    app = make_app()

    @app.guard("/queue/shut")
    async def nobody() -> bool:
        await shortly()
        return False

    @app.intercept
    async def no_soup(command: SendCommand, session: StompSession) -> None:
        if command.message.body == b"x" and command.destination == "/queue/kitchen":
            raise Problem("no-soup", "today")

    @app.message("/work")
    async def work(body: str) -> None: ...

    served = await serve(app)
    for destination, code in (
        ("/queue/shut", "forbidden"), ("/queue/kitchen", "no-soup"), ("/app/nobody", "not-found"),
        ("/nowhere", "invalid-destination"), ("/queue/*", "invalid-destination"),
    ):  # fmt: skip
        client = await begin(served)
        await put(client, "1", **IN)
        await refused(client, "SEND", code, destination=destination)
        await put(client, "2", **IN)
        await refused(client, "COMMIT", "transaction-aborted")
        await client.request("BEGIN", IN)
        await client.request("ABORT", IN)
    assert appended(served) == 0


@pytest.mark.parametrize("command", ["SEND", "COMMIT", "ABORT", "ACK", "NACK", "BEGIN"])
async def test_a_transaction_that_is_not_open_or_open_already_ends_the_session(
    serve: Serve, command: str
) -> None:
    served = await serve()
    client = await begin(served)
    await client.subscribe(JOBS, 1, ack="client")
    await put(client, "a")
    (message,) = await messages(client, 1)
    name = "t" if command == "BEGIN" else "other"
    headers = {"transaction": name, "destination": JOBS, "id": message.headers["ack"]}
    error = await client.request(command, headers, "x" if command == "SEND" else "")
    assert error.command == "ERROR"
    assert name in error.headers["message"]
    assert (await client.closed()).code == 1002
    await until(lambda: served.node.statistics().transactions.open == 0)


async def test_transactions_of_a_session_are_bounded(serve: Serve) -> None:
    served = await serve(make_app(max_transactions=3))
    client = await begin(served)
    await client.request("BEGIN", {"transaction": "t2"})
    await client.request("BEGIN", {"transaction": "t3"})
    error = await client.request("BEGIN", {"transaction": "t4"})
    assert "max_transactions" in error.headers["message"]


async def test_frames_and_bytes_of_a_transaction_are_bounded(serve: Serve) -> None:
    served = await serve(make_app(max_transaction_frames=3, max_transaction_bytes=2000))
    client = await begin(served)
    await put(client, "1", "2", "3", **IN)
    error = await refused(client, "SEND", "too-large", destination=JOBS)
    assert "max_transaction_frames" in error.text
    await refused(client, "COMMIT", "transaction-aborted")
    await client.request("BEGIN", IN)
    await put(client, "x" * 900, **IN)
    error = await refused(client, "SEND", "too-large", destination=JOBS, k="v" * 400)
    assert "max_transaction_bytes" in error.text
    await client.subscribe(JOBS, 1, ack="client")
    await put(client, "a")
    (message,) = await messages(client, 1)
    await client.request("ACK", {"id": message.headers["ack"], **IN})  # it is spoiled: this changes nothing
    await client.request("ABORT", IN)
    await client.request("ACK", {"id": message.headers["ack"]})


async def test_a_commit_with_a_token_that_ran_out_can_be_tried_again_with_a_new_one(serve: Serve) -> None:
    served = await serve()
    client = await begin(served, Authorization=served.token(ttl_s=60))
    await put(client, "1", **IN)
    served.clock.shift += 100
    await refused(client, "COMMIT", "token-expired")
    assert appended(served) == 0
    await client.request("COMMIT", {**IN, "Authorization": served.token()})
    assert appended(served) == 1


async def test_a_send_with_a_token_that_ran_out_spoils_its_transaction(serve: Serve) -> None:
    served = await serve()
    client = await begin(served, Authorization=served.token(ttl_s=60))
    served.clock.shift += 100
    await refused(client, "SEND", "token-expired", destination=JOBS)
    await refused(client, "COMMIT", "transaction-aborted", Authorization=served.token())


async def test_a_token_on_an_ack_renews_the_session_and_a_wrong_one_spoils(serve: Serve) -> None:
    served = await serve()
    client = await begin(served)
    await client.subscribe(JOBS, 1, ack="client-individual")
    await put(client, "a", "b")
    one, two = await messages(client, 2)
    await client.request("ACK", {"id": one.headers["ack"], "Authorization": served.token("cook")})
    assert isinstance(served.session(client).principal, Principal)
    await refused(client, "ACK", "token-invalid", id=two.headers["ack"], Authorization="Bearer nonsense")
    await refused(client, "COMMIT", "transaction-aborted")


async def test_topics_are_acknowledged_in_transactions_too(serve: Serve) -> None:
    served = await serve()
    client = await begin(served)
    await client.subscribe("/topic/a", 1, ack="client-individual", **{"prefetch-count": "2"})
    await put(client, *"abc", destination="/topic/a")
    one, two = await messages(client, 2)
    await client.request("ACK", {"id": one.headers["ack"], **IN})
    await client.request("NACK", {"id": two.headers["ack"], **IN})
    await client.request("COMMIT", IN)
    assert [frame.text for frame in await messages(client, 2)] == ["b", "c"]
    assert served.node.statistics().topic_acks.acknowledged == 1


async def test_all_open_transactions_of_a_node_together_are_bounded_in_bytes(serve: Serve) -> None:
    served = await serve(make_app(transaction_bytes=2000))
    one, two = await served.client(), await served.client()
    await two.errors()
    figures = served.node.transactions
    for client in (one, two):
        await client.request("BEGIN", {"transaction": "t"})
    await one.request("SEND", {"destination": "/queue/a", "transaction": "t"}, "x" * 600)
    await two.request("SEND", {"destination": "/queue/a", "transaction": "t"}, "x" * 300)
    await two.send("SEND", {"destination": "/queue/a", "transaction": "t"}, "x" * 300)
    assert "transaction_bytes" in (await two.message()).text
    assert figures.size_bytes == size_of(Message("/queue/a", b"x" * 600))  # what is spoiled holds nothing
    await two.send("COMMIT", {"transaction": "t"})
    assert '"code":"transaction-aborted"' in (await two.message()).text
    await one.request("COMMIT", {"transaction": "t"})
    assert figures.size_bytes == 0
    for _ in range(2):
        await two.request("BEGIN", {"transaction": "t"})
        await two.request("SEND", {"destination": "/queue/a", "transaction": "t"}, "x" * 600)
        await two.request("ABORT", {"transaction": "t"})
    await one.request("BEGIN", {"transaction": "t"})
    await one.request("SEND", {"destination": "/queue/a", "transaction": "t"}, "x" * 600)
    one.drop()
    await until(lambda: figures.size_bytes == 0)
