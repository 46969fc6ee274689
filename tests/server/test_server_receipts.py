"""What a RECEIPT means, for every frame that may ask for one."""

import asyncio
from typing import Any

from serving import Serve, make_app, shortly, until
from stompede import Principal, Problem, Stompede


def an_app(**settings: Any) -> Stompede:
    app = make_app(**settings)
    app.events = []  # type: ignore[attr-defined]
    app.gate = asyncio.Event()  # type: ignore[attr-defined]

    @app.message("/slow", publish="/topic/slow")
    async def slow(body: str) -> str:
        app.events.append("begin")  # type: ignore[attr-defined]
        await app.gate.wait()  # type: ignore[attr-defined]
        app.events.append("end")  # type: ignore[attr-defined]
        return body

    @app.message("/quick", publish="/topic/quick")
    async def quick(body: str) -> str:
        return body

    @app.message("/refuse")
    async def refuse() -> None:
        raise Problem("no-soup", "today")

    @app.message("/refuse-late")
    async def refuse_late() -> None:
        await shortly()
        raise Problem("no-soup", "today")

    @app.message("/member")
    async def member(who: Principal) -> None: ...

    @app.subscribe("/answer")
    async def answer() -> str:
        await shortly()
        return "answer"

    return app


async def test_the_receipt_of_a_subscribe_says_that_nothing_is_missed_from_now_on(serve: Serve) -> None:
    served = await serve()
    reader, writer = await served.client(), await served.client()
    for number in range(20):
        await reader.subscribe(f"/topic/{number}", number)
        await writer.send("SEND", {"destination": f"/topic/{number}"}, str(number))
        assert (await reader.message()).text == str(number)


async def test_the_receipt_of_a_send_to_a_topic_says_that_the_bus_took_it(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    for number in range(5):
        await client.request("SEND", {"destination": "/topic/a"}, "x")
        assert served.node.statistics().bus.published == number + 1


async def test_the_receipt_of_a_send_to_the_application_comes_after_the_handler(serve: Serve) -> None:
    app = an_app()
    served = await serve(app)
    client = await served.client()
    await client.send("SEND", {"destination": "/app/slow", "receipt": "r"}, "soup")
    await until(lambda: app.events == ["begin"])  # type: ignore[attr-defined]
    app.gate.set()  # type: ignore[attr-defined]
    assert (await client.frame()).headers["receipt-id"] == "r"
    assert app.events == ["begin", "end"]  # type: ignore[attr-defined]
    assert served.node.statistics().bus.published == 1
    await client.request("SEND", {"destination": "/app/quick"}, "soup")
    assert served.node.statistics().bus.published == 2


async def test_the_receipt_of_a_subscribe_to_a_handler_follows_its_answer(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/app/answer", "receipt": "r"})
    assert [(await client.frame()).command for _ in range(2)] == ["MESSAGE", "RECEIPT"]


async def test_receipts_come_in_the_order_of_their_frames(serve: Serve) -> None:
    app = an_app()
    served = await serve(app)
    client = await served.client()
    frames: list[tuple[str, dict[str, object]]] = [
        ("SUBSCRIBE", {"id": 1, "destination": "/topic/other"}),
        ("SEND", {"destination": "/app/slow"}),
        ("SEND", {"destination": "/topic/x"}),
        ("SUBSCRIBE", {"id": 2, "destination": "/app/answer"}),
        ("UNSUBSCRIBE", {"id": 1}),
        ("SEND", {"destination": "/app/quick"}),
        ("UNSUBSCRIBE", {"id": "never"}),
        ("SUBSCRIBE", {"id": 3, "destination": "/session/queue/x"}),
        ("SUBSCRIBE", {"id": 4, "destination": "/queue/acked", "ack": "client-individual"}),
        ("SEND", {"destination": "/queue/acked"}),
        ("BEGIN", {"transaction": "t"}),
        ("SEND", {"destination": "/queue/acked", "transaction": "t"}),
        ("COMMIT", {"transaction": "t"}),
        ("BEGIN", {"transaction": "t"}),
        ("ABORT", {"transaction": "t"}),
        ("SUBSCRIBE", {"id": 5, "destination": "/session/queue/acked", "ack": "client"}),
        ("ACK", {"id": "0-any"}),
        ("NACK", {"id": "0-any"}),
        ("DISCONNECT", {}),
    ]
    for number, (command, headers) in enumerate(frames):
        await client.send(command, {**headers, "receipt": f"n{number}"}, "body" if command == "SEND" else "")
    assert client.frames == []
    app.gate.set()  # type: ignore[attr-defined]
    closed = await client.closed()
    receipts = [frame.headers["receipt-id"] for frame in client.frames if frame.command == "RECEIPT"]
    assert receipts == [f"n{number}" for number in range(len(frames))]
    assert closed.code == 1000


async def test_frames_that_ask_for_none_get_none(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/topic/other"})
    await client.send("SEND", {"destination": "/app/quick"}, "x")
    await client.send("UNSUBSCRIBE", {"id": 1})
    assert await client.settle() == []


async def test_a_soft_error_takes_the_place_of_the_receipt_and_names_it(serve: Serve) -> None:
    served = await serve(an_app())
    client = await served.client()
    await client.errors()
    refused = {
        "/app/refuse": "no-soup", "/app/refuse-late": "no-soup", "/app/member": "login-required",
        "/app/nothing": "not-found", "/session/queue/x": "invalid-destination",
    }  # fmt: skip
    for number, (destination, code) in enumerate(refused.items()):
        await client.send("SEND", {"destination": destination, "receipt": f"r{number}"}, "x")
        message = await client.message()
        assert message.headers["receipt-id"] == f"r{number}"
        assert f'"code":"{code}"' in message.text
    await client.send("SUBSCRIBE", {"id": 9, "destination": "/other", "receipt": "sub"})
    assert (await client.message()).headers["receipt-id"] == "sub"
    assert await client.settle() == []


async def test_a_receipt_id_is_escaped_as_it_came(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.send("SEND", {"destination": "/topic/a", "receipt": "a:b\nc\\d\r"})
    assert (await client.frame()).headers["receipt-id"] == "a:b\nc\\d\r"


async def test_disconnect_is_answered_then_closed_and_nothing_after_it_is_served(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    other = await served.client()
    await other.subscribe("/topic/a")
    await client.send("DISCONNECT", {"receipt": "bye"})
    await client.send("SEND", {"destination": "/topic/a"}, "too late")
    assert (await client.frame()).headers["receipt-id"] == "bye"
    assert (await client.closed()).code == 1000
    assert await other.settle() == []
    await served.ended("disconnect")


async def test_ack_and_nack_without_a_subscription_that_acknowledges_end_the_session(serve: Serve) -> None:
    served = await serve()
    for command in ("ACK", "NACK"):
        client = await served.client()
        await client.subscribe("/topic/a")
        await client.send(command, {"id": "1", "receipt": "r"})
        assert (await client.error()).headers["receipt-id"] == "r"
        assert (await client.closed()).code == 1002


async def test_a_session_that_is_gone_gets_no_receipt_but_its_handler_ends(serve: Serve) -> None:
    app = an_app()
    served = await serve(app)
    listener = await served.client()
    await listener.subscribe("/topic/slow")
    client = await served.client()
    await client.send("SEND", {"destination": "/app/slow", "receipt": "r"}, "soup")
    await until(lambda: app.events == ["begin"])  # type: ignore[attr-defined]
    client.drop()
    await until(lambda: served.logged("session ended"))
    app.gate.set()  # type: ignore[attr-defined]
    assert (await listener.message()).text == "soup"
