"""SEND to handlers in transactions: when they run, what becomes of them, and what drops them."""

import asyncio
import itertools
from typing import Any

import pytest

from serving import Serve, Served, make_app, shortly, until
from stompede import Principal, Problem, Queue, Stompede
from stompsocket import StompSocket

IN = {"transaction": "t"}


class OfTheKitchenError(Exception):
    """Raised by a handler."""


class Kitchen:
    """An application that writes down what its handlers did."""

    def __init__(self, **settings: Any) -> None:
        self.done: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.app: Stompede = make_app(**settings)
        self.app.destination("/queue/small", queue=Queue(max_messages=1))
        self.app.message("/cook", publish="/topic/dishes")(self.cook)
        self.app.message("/ask")(self.ask)
        self.app.message("/full", publish="/queue/small")(self.full)
        self.app.message("/store")(self.store)

    async def cook(self, body: str) -> str:
        if body.startswith("bad"):
            self.done.append(body)
            raise Problem("spoiled", body)
        if body == "wrong":
            raise OfTheKitchenError
        if body == "late and wrong":
            await shortly()
            raise OfTheKitchenError
        if body in self.gates:
            await self.gates[body].wait()
        elif body.startswith("slow"):
            await shortly()
        self.done.append(body)
        return f"hot {body}"

    def ask(self, body: str, who: Principal | None) -> str:
        self.done.append(body)
        return who.name if who else "guest"

    async def full(self, body: str) -> str:
        return body

    async def store(self, body: str) -> None:
        self.done.append(f"{body} {self.app.node.statistics().queues.store.appended}")


async def begin(served: Served, **headers: Any) -> StompSocket:
    """A client with a transaction and an ear for errors."""
    client = await served.client(headers)
    await client.errors()
    await client.request("BEGIN", IN)
    return client


async def put(client: StompSocket, destination: str, *bodies: str, **headers: str) -> None:
    """Each gets its RECEIPT: it is kept."""
    for body in bodies:
        receipt = await client.request("SEND", {"destination": destination, **IN, **headers}, body)
        assert receipt.command == "RECEIPT"


async def test_handlers_run_at_commit_in_order_after_all_else(serve: Serve) -> None:
    kitchen = Kitchen()
    served = await serve(kitchen.app)
    client, reader = await begin(served), await served.client()
    await reader.subscribe("/topic/dishes", 1)
    await reader.subscribe("/topic/news", 2)
    await put(client, "/app/store", "first")
    await put(client, "/app/cook", "a", "slow b", "c")
    await put(client, "/queue/jobs", "1", "2")
    await put(client, "/topic/news", "news")
    assert kitchen.done == []
    assert await reader.settle() == []
    assert (await client.request("COMMIT", IN)).command == "RECEIPT"
    assert kitchen.done == ["first 2", "a", "slow b", "c"]
    texts = [(await reader.message()).text for _ in range(4)]
    assert texts == ["news", "hot a", "hot slow b", "hot c"]


async def test_an_answer_goes_back_with_its_code_before_the_receipt_of_commit(serve: Serve) -> None:
    kitchen = Kitchen()
    served = await serve(kitchen.app)
    client = await begin(served)
    await client.subscribe("/session/queue/replies", "r")
    for code in ("7", "8"):
        await put(client, "/app/ask", code, **{"client-request-code": code})
    await client.send("COMMIT", {**IN, "receipt": "committed"})
    answers = [await client.message() for _ in range(2)]
    assert [(each.text, each.headers["client-request-code"]) for each in answers] == [
        ("guest", "7"),
        ("guest", "8"),
    ]
    assert (await client.frame()).headers["receipt-id"] == "committed"


async def test_the_receipt_of_commit_and_all_later_frames_wait_for_them(serve: Serve) -> None:
    kitchen = Kitchen()
    kitchen.gates["soup"] = asyncio.Event()
    served = await serve(kitchen.app)
    client, reader = await begin(served), await served.client()
    await reader.subscribe("/queue/jobs", 1)
    await put(client, "/app/cook", "soup", "bread")
    await put(client, "/queue/jobs", "job")
    await client.send("COMMIT", {**IN, "receipt": "committed"})
    await client.send("SEND", {"destination": "/app/cook", "receipt": "later"}, "later")
    assert (await reader.message()).text == "job"  # what is atomic does not wait for them
    assert kitchen.done == []
    kitchen.gates["soup"].set()
    assert [(await client.frame()).headers["receipt-id"] for _ in range(2)] == ["committed", "later"]
    assert kitchen.done == ["soup", "bread", "later"]


async def test_a_failure_is_a_soft_error_of_its_send_and_undoes_nothing(serve: Serve) -> None:
    kitchen = Kitchen()

    @kitchen.app.on_error(OfTheKitchenError)
    async def explain(error: OfTheKitchenError) -> Problem:
        await shortly()
        return Problem("kitchen-closed", "today")

    served = await serve(kitchen.app)
    client, reader = await begin(served), await served.client()
    await reader.subscribe("/queue/jobs", 1)
    await put(client, "/queue/jobs", "job")
    for body in ("bad soup", "wrong", "good"):
        receipt = f"kept {body}"
        await client.send(
            "SEND",
            {"destination": "/app/cook", **IN, "receipt": receipt, "client-request-code": body},
            body,
        )
        assert (await client.frame()).headers["receipt-id"] == receipt
    await put(client, "/app/full", "1", "2")
    await client.send("COMMIT", {**IN, "receipt": "committed"})
    for body, code in (("bad soup", "spoiled"), ("wrong", "kitchen-closed")):
        error = await client.message()
        assert f'"code":"{code}"' in error.text
        assert '"destination":"/app/cook"' in error.text
        assert error.headers["client-request-code"] == body
        assert error.headers["receipt-id"] == f"kept {body}"
    assert '"code":"queue-full"' in (await client.message()).text
    assert (await client.frame()).headers["receipt-id"] == "committed"
    assert (await reader.message()).text == "job"
    assert kitchen.done == ["bad soup", "good"]
    figures = served.node.statistics().transactions
    assert (figures.open, figures.committed, figures.refused) == (0, 1, 0)


async def test_one_that_has_waited_and_fails_ends_the_commit_once_and_the_session_goes_on(
    serve: Serve,
) -> None:
    kitchen = Kitchen()
    served = await serve(kitchen.app)
    served.may_fail = True
    client = await begin(served)
    await put(client, "/app/cook", "soup", "late and wrong")
    await client.send("COMMIT", {**IN, "receipt": "committed"})
    assert '"code":"handler-failed"' in (await client.message()).text
    assert (await client.frame()).headers["receipt-id"] == "committed"
    assert (await client.request("SEND", {"destination": "/app/cook"}, "bread")).command == "RECEIPT"
    assert await client.settle() == []
    assert served.session(client).busy == 0
    client.drop()
    await until(lambda: served.node.statistics().connections == 0)
    assert not served.node.sessions


async def test_a_failure_is_told_also_where_the_function_for_errors_does_not_end(serve: Serve) -> None:
    kitchen = Kitchen(handler_timeout_s=0.3)

    @kitchen.app.on_error(OfTheKitchenError)
    async def explain(error: OfTheKitchenError) -> Problem:
        await asyncio.Event().wait()
        raise AssertionError

    served = await serve(kitchen.app)
    served.may_fail = True
    client = await begin(served)
    await put(client, "/app/cook", "wrong")
    await client.send("COMMIT", {**IN, "receipt": "committed"})
    assert '"code":"handler-failed"' in (await client.message()).text
    assert served.logged("error handler failed")
    assert (await client.frame()).headers["receipt-id"] == "committed"


async def test_others_have_their_turn_between_many_of_them(serve: Serve) -> None:
    kitchen = Kitchen()
    served = await serve(kitchen.app)
    client = await begin(served)
    for number in range(500):
        await client.send("SEND", {"destination": "/app/cook", **IN}, str(number))
    await client.settle()
    done_before_a_turn: list[int] = []

    def look() -> None:
        done_before_a_turn.append(len(kitchen.done))
        if len(kitchen.done) < 500:
            asyncio.get_running_loop().call_soon(look)

    asyncio.get_running_loop().call_soon(look)
    assert (await client.request("COMMIT", IN)).command == "RECEIPT"
    steps = [after - before for before, after in itertools.pairwise(done_before_a_turn)]
    assert 0 < max(steps) <= 64


@pytest.mark.parametrize("how", ["ABORT", "DISCONNECT", "drop", "spoiled", "full"])
async def test_what_was_not_committed_is_never_handled(serve: Serve, how: str) -> None:
    kitchen = Kitchen()
    served = await serve(kitchen.app)
    client = await begin(served)
    await put(client, "/app/cook", "never")
    if how == "ABORT":
        await client.request("ABORT", IN)
    elif how == "DISCONNECT":
        await client.request("DISCONNECT")
    elif how == "drop":
        client.drop()
    else:
        await put(client, "/queue/small", "1", *("2" if how == "full" else ""))
        if how == "spoiled":
            await client.send("SEND", {"destination": "/nowhere", **IN})
            assert '"code":"invalid-destination"' in (await client.message()).text
        await client.send("COMMIT", {**IN, "receipt": "refused"})
        assert (await client.message()).headers["receipt-id"] == "refused"
    await until(lambda: served.node.statistics().transactions.open == 0)
    other = await served.client()
    await other.request("SEND", {"destination": "/app/cook"}, "other")
    assert kitchen.done == ["other"]


async def test_the_end_of_the_session_does_not_stop_what_was_committed(serve: Serve) -> None:
    kitchen = Kitchen()
    kitchen.gates["soup"] = asyncio.Event()
    served = await serve(kitchen.app)
    client = await begin(served)
    await put(client, "/app/cook", "soup", "bad bread", "salt")
    await client.send("COMMIT", IN)
    await until(lambda: served.node.statistics().transactions.committed == 1)
    client.drop()
    await until(lambda: not served.node.sessions)
    kitchen.gates["soup"].set()
    await until(lambda: kitchen.done == ["soup", "bad bread", "salt"])


async def test_a_node_that_stops_begins_no_more_of_them_and_says_so(serve: Serve) -> None:
    kitchen = Kitchen(shutdown_timeout_s=0.05)
    kitchen.gates["soup"] = asyncio.Event()
    served = await serve(kitchen.app)
    client = await begin(served)
    await put(client, "/app/cook", "before", "soup", "bread")
    await client.send("COMMIT", {**IN, "receipt": "committed"})
    await until(lambda: kitchen.done == ["before"])
    stopping = asyncio.ensure_future(served.node.stop())
    assert (await client.frame()).command == "ERROR"
    client.drop()
    await stopping
    assert served.logged("refused", code="unavailable", destination="/app/cook")
    assert served.node.problems.counts["unavailable"] == 2  # one line of the log for those of a second
    assert kitchen.done == ["before"]


async def test_as_many_as_a_transaction_may_have_are_handled(serve: Serve) -> None:
    kitchen = Kitchen()
    served = await serve(kitchen.app)
    client = await begin(served)
    frames = [str(number) for number in range(1000)]
    for body in frames:
        await client.send("SEND", {"destination": "/app/cook", **IN}, body)
    assert (await client.request("COMMIT", IN)).command == "RECEIPT"
    assert kitchen.done == frames


async def test_they_count_for_the_bounds_of_a_transaction(serve: Serve) -> None:
    kitchen = Kitchen(max_transaction_bytes=500)
    served = await serve(kitchen.app)
    client = await begin(served)
    await put(client, "/app/cook", "x" * 90)
    await client.send("SEND", {"destination": "/app/cook", **IN}, "x" * 20)
    assert "max_transaction_bytes" in (await client.message()).text


async def test_they_see_who_the_session_is_at_commit_and_their_guards_were_asked_before(serve: Serve) -> None:
    kitchen = Kitchen()

    @kitchen.app.guard("/app/cook", on="send")
    async def cooks(who: Principal | None) -> bool:
        return who is not None

    served = await serve(kitchen.app)
    client = await begin(served)
    await client.subscribe("/session/queue/replies", "r")
    await put(client, "/app/ask", "who")
    await client.send("COMMIT", {**IN, "Authorization": served.token("mary"), "receipt": "committed"})
    assert (await client.message()).text == "mary"
    other = await begin(served)
    await other.send("SEND", {"destination": "/app/cook", **IN}, "soup")
    assert '"code":"' in (await other.message()).text
    await other.send("COMMIT", {**IN, "receipt": "refused"})
    assert '"code":"transaction-aborted"' in (await other.message()).text
