"""Temporary queues: an address for answers, which ends with its session."""

from typing import Annotated

import pytest
from fastapi import Header

from serving import Serve, make_app, until
from stompede import Command, Problem, StompSession

REPLY = "/temp-queue/answers"


async def test_others_answer_to_the_address_in_reply_to(serve: Serve) -> None:
    served = await serve()
    asking, serving = await served.client(), await served.client()
    await serving.subscribe("/queue/questions")
    await asking.subscribe(REPLY, 1)
    await asking.request("SEND", {"destination": "/queue/questions", "reply-to": REPLY, "k": "v"}, "why?")
    question = await serving.message()
    address = question.headers["reply-to"]
    assert address.startswith("/temp-queue/")
    assert address != REPLY
    assert question.headers["k"] == "v"
    await serving.request("SEND", {"destination": address}, "because")
    answer = await asking.message()
    assert (answer.text, answer.headers["subscription"]) == ("because", "1")


async def test_who_does_not_subscribe_gets_answers_all_the_same(serve: Serve) -> None:
    served = await serve()
    asking, serving = await served.client(), await served.client()
    await serving.subscribe("/topic/questions")
    await asking.request("SEND", {"destination": "/topic/questions", "reply-to": REPLY}, "why?")
    address = (await serving.message()).headers["reply-to"]
    await serving.request("SEND", {"destination": address}, "because")
    assert (await asking.message()).headers["subscription"] == REPLY
    await asking.subscribe(REPLY, 7)  # from now on there
    await serving.request("SEND", {"destination": address}, "because")
    assert (await asking.message()).headers["subscription"] == "7"
    assert served.node.statistics().queues.consumers == 1


async def test_a_subscription_that_nobody_asked_for_may_be_asked_for_under_its_own_id(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.request("SEND", {"destination": "/topic/questions", "reply-to": REPLY}, "why?")
    await client.subscribe(REPLY, REPLY, ack="client")
    await client.request("SEND", {"destination": REPLY}, "to myself")
    message = await client.message()
    await client.request("ACK", {"id": message.headers["ack"]})


@pytest.mark.parametrize(
    "destination", ["/topic/a", "/app/once", "/session/queue/replies", "/temp-queue/other", REPLY]
)
async def test_a_client_that_takes_the_id_of_what_nobody_asked_for_leaves_no_consumer_behind(
    serve: Serve, destination: str
) -> None:
    app = make_app()

    @app.subscribe("/once")
    async def once() -> str:
        return "soup"

    served = await serve(app)
    client = await served.client()
    await client.request("SEND", {"destination": "/topic/questions", "reply-to": REPLY}, "why?")
    assert served.node.statistics().queues.consumers == 1
    await client.subscribe(destination, REPLY)
    assert served.session(client).subscriptions[REPLY].destination == destination
    await client.send("DISCONNECT", {"receipt": "bye"})
    await until(lambda: not served.node.sessions)
    figures = served.node.statistics()
    assert (figures.queues.consumers, figures.queues.consumed, figures.temporary_queues) == (0, 0, 0)


async def test_the_owner_may_ask_for_its_queue_by_the_long_address_and_gets_all_of_it_there(
    serve: Serve,
) -> None:
    served = await serve()
    client, other = await served.client(), await served.client()
    await other.subscribe("/queue/questions")
    await client.request("SEND", {"destination": "/queue/questions", "reply-to": REPLY}, "why?")
    address = (await other.message()).headers["reply-to"]
    await client.subscribe(address, 7)
    for _ in range(4):
        await other.request("SEND", {"destination": address}, "because")
    assert [(await client.message()).headers["subscription"] for _ in range(4)] == ["7"] * 4


async def test_a_subscribe_that_is_refused_leaves_what_nobody_asked_for_in_its_place(serve: Serve) -> None:
    served = await serve()
    client = await served.client()
    await client.errors()
    await client.request("SEND", {"destination": "/topic/questions", "reply-to": REPLY}, "why?")
    bad = {"ack": "client", "prefetch-count": "many"}
    for sid in (7, REPLY):
        await client.send("SUBSCRIBE", {"id": sid, "destination": REPLY, **bad})
        assert '"code":"invalid-header"' in (await client.message()).text
    await client.request("SEND", {"destination": REPLY}, "to myself")
    assert (await client.message()).headers["subscription"] == REPLY


async def test_nobody_else_may_subscribe_and_the_address_cannot_be_guessed(serve: Serve) -> None:
    served = await serve()
    one, two = await served.client(), await served.client()
    await two.errors()
    await two.subscribe("/topic/questions", 1)
    await one.request("SEND", {"destination": "/topic/questions", "reply-to": REPLY}, "why?")
    address = (await two.message()).headers["reply-to"]
    await two.send("SUBSCRIBE", {"id": 2, "destination": address})
    assert '"code":"forbidden"' in (await two.message()).text
    await two.send("SEND", {"destination": "/temp-queue/guessed/answers"}, "x")
    assert '"code":"not-found"' in (await two.message()).text
    await two.subscribe(REPLY, 3)  # the same name is another queue
    await two.request("SEND", {"destination": REPLY}, "mine")
    assert (await two.message()).headers["subscription"] == "3"


async def test_a_temporary_queue_ends_with_its_session(serve: Serve) -> None:
    app = make_app()
    served = await serve(app)
    one, two = await served.client(), await served.client()
    await two.errors()
    await two.subscribe("/topic/questions", 1)
    await one.subscribe(REPLY, 1, ack="client")
    await one.request("SEND", {"destination": "/topic/questions", "reply-to": REPLY}, "why?")
    address = (await two.message()).headers["reply-to"]
    await two.request("SEND", {"destination": address}, "because")
    await one.message()
    assert served.node.statistics().temporary_queues == 1
    one.drop()
    await until(lambda: served.node.statistics().temporary_queues == 0)
    assert served.node.statistics().queues.store.queues == 0
    await two.send("SEND", {"destination": address}, "because")
    assert '"code":"not-found"' in (await two.message()).text
    await two.request("BEGIN", {"transaction": "t"})
    await two.request("SEND", {"destination": address, "transaction": "t"}, "because")
    await two.send("COMMIT", {"transaction": "t"})
    assert '"code":"not-found"' in (await two.message()).text
    with pytest.raises(Problem, match="not-found"):
        await app.publish(address, "because")


async def test_handlers_get_the_address_and_may_publish_there(serve: Serve) -> None:
    app = make_app()

    @app.message("/questions")
    async def question(body: str, reply_to: Annotated[str, Header("reply-to")]) -> None:
        await app.publish(reply_to, f"{body} because")

    @app.intercept
    async def slowly(command: Command, session: StompSession) -> None: ...

    served = await serve(app)
    client = await served.client()
    await client.subscribe(REPLY, 1)
    await client.request("SEND", {"destination": "/app/questions", "reply-to": REPLY}, "why?")
    assert (await client.message()).text == "why? because"


async def test_temporary_queues_of_a_session_are_bounded(serve: Serve) -> None:
    served = await serve(make_app(max_temporary_queues=3))
    client = await served.client()
    await client.errors()
    for number in range(3):
        await client.request("SEND", {"destination": f"/temp-queue/{number}"}, "x")
    await client.send("SEND", {"destination": "/temp-queue/3"}, "x")
    assert "max_temporary_queues" in (await client.message()).text
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/temp-queue/4"})
    assert '"code":"rate-limited"' in (await client.message()).text


async def test_the_prefix_is_a_setting(serve: Serve) -> None:
    served = await serve(make_app(temp_queue_prefix="/tq"))
    client = await served.client()
    await client.subscribe("/tq/answers")
    await client.request("SEND", {"destination": "/tq/answers"}, "x")
    assert (await client.message()).text == "x"
