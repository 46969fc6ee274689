"""User destinations over a bus that brings nothing but what a node wants: the one of the documentation, which passes
the contract of every bus.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stompede._app.backends as backends
from serving import Serve, Served, until

sys.path.append(str(Path(__file__).parents[2] / "docs" / "examples"))

from own_bus import Exchange, ExchangeBus


@pytest.fixture
async def two_nodes(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> tuple[Served, Served]:
    exchange: Exchange[Any] = Exchange()
    monkeypatch.setattr(backends, "_bus", lambda settings, places, prefixes: ExchangeBus(exchange))
    return await serve(), await serve()


def delivered(served: Served) -> int:
    return served.node.bus.statistics().delivered


def wanted(served: Served) -> int:
    return served.node.bus.statistics().channels


async def test_what_is_sent_to_a_member_reaches_its_sessions_on_every_node_and_no_node_without_one(
    two_nodes: tuple[Served, Served],
) -> None:
    here, there = two_nodes
    cooks = [await here.member("cook"), await there.member("cook")]
    baker = await there.member("baker")
    for client in (*cooks, baker):
        await client.subscribe("/user/queue/offers")
    await here.app.send_to_user("cook", "/queue/offers", "soup")
    for client in cooks:
        message = await client.message()
        assert (message.text, message.headers["destination"]) == ("soup", "/user/queue/offers")
    await here.app.send_to_user("baker", "/queue/offers", "bread")
    assert (await baker.message()).text == "bread"
    assert (delivered(here), delivered(there)) == (1, 2)
    assert [await client.settle() for client in (*cooks, baker)] == [[], [], []]


async def test_what_is_sent_to_a_session_reaches_it_on_its_node_alone(
    two_nodes: tuple[Served, Served],
) -> None:
    here, there = two_nodes
    near, far = await here.client(), await there.client()
    for client in (near, far):
        await client.subscribe("/session/queue/offers")
    for number in range(3):
        await here.app.send_to_session(far.session, "/queue/offers", str(number))
    assert [(await far.message()).text for _ in range(3)] == ["0", "1", "2"]
    assert (delivered(here), delivered(there), await near.settle()) == (0, 3, [])


@pytest.mark.parametrize("leave", [lambda client: client.drop(), None], ids=["lost", "unsubscribed"])
async def test_one_channel_is_wanted_for_each_session_and_each_member_while_somebody_subscribes(
    two_nodes: tuple[Served, Served], leave: Callable[[Any], None] | None
) -> None:
    served = two_nodes[0]
    cooks = [await served.member("cook") for _ in range(2)]
    assert wanted(served) == 0
    for client in cooks:
        for number, destination in enumerate(
            ("/user/queue/a", "/user/queue/b", "/session/queue/a", "/session/queue/a")
        ):
            await client.subscribe(destination, number)
    assert wanted(served) == 3
    for left, client in zip((2, 0), cooks, strict=True):
        if leave is None:
            for number in range(4):
                await client.request("UNSUBSCRIBE", {"id": number})
        else:
            leave(client)
            await until(lambda most=left: wanted(served) <= most)  # type: ignore[misc]
        assert wanted(served) == left
