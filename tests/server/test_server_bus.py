"""A bus that has to be waited for, and one that refuses: what receipts and errors say then."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import stompede._app.backends as backends
from serving import Serve, Served, make_app, until
from stompede import BusError, History, Principal, Problem, Stompede
from stompede.bus import BusStatistics
from stompede.errors import AccessError, AuthenticationError, LimitError
from stompede.messaging.errors_to_client import ErrorHandlers
from stompede.server.problems import Problems
from stompsocket import StompSocket


class RemoteBus:
    """Takes an item when the test lets it; what is taken comes back a little later, as over a network."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False
        self.wanted: set[str] = set()
        self.published = 0
        self._deliver: Callable[[Any], None]

    async def start(
        self, deliver: Callable[[Any], None], interrupted: Callable[[], None] = lambda: None
    ) -> None:
        self._deliver = deliver

    def publish(self, channel: str, item: Any) -> Awaitable[None] | None:
        return self._publish(channel, item)

    async def _publish(self, channel: str, item: Any) -> None:
        await self._wait()
        self.published += 1
        beginnings = tuple(one.removesuffix("...") for one in self.wanted if one.endswith("..."))
        if channel in self.wanted or channel.startswith(beginnings):
            asyncio.get_running_loop().call_soon(self._deliver, item)

    def want(self, channel: str) -> Awaitable[None] | None:
        return self._want(channel)

    async def _want(self, channel: str) -> None:
        await self._wait()
        self.wanted.add(channel)

    async def _wait(self) -> None:
        await asyncio.sleep(0)
        await self.open.wait()
        if self.broken:
            raise BusError("the back end is away: password=s3cret")

    def unwant(self, channel: str) -> None:
        self.wanted.discard(channel)

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        return self._want(f"{prefix}...")

    def unwant_prefix(self, prefix: str) -> None:
        self.unwant(f"{prefix}...")

    def statistics(self) -> BusStatistics:
        return BusStatistics(self.published, self.published, len(self.wanted), 0)

    async def aclose(self) -> None:
        self.open.set()


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> RemoteBus:
    bus = RemoteBus()
    monkeypatch.setattr(backends, "_bus", lambda settings, places, prefixes: bus)
    return bus


def an_app() -> Stompede:
    app = make_app()
    app.destination("/topic/kept", history=History(count=10))

    @app.message("/say", publish="/topic/said", reply=True)
    async def say(body: str) -> str:
        return body

    @app.message("/both")
    async def both(body: str) -> None:
        await app.publish("/topic/said", body)

    @app.guard("/topic/guarded")
    async def guarded(who: Principal | None) -> bool:
        await asyncio.sleep(0)
        return True

    return app


@pytest.fixture
async def served(serve: Serve, bus: RemoteBus) -> Served:
    return await serve(an_app())


@pytest.mark.parametrize(("destination", "arrives"), [("/topic/said", 1), ("/app/say", 1), ("/app/both", 1)])
async def test_the_receipt_of_a_send_waits_for_the_bus(
    served: Served, bus: RemoteBus, destination: str, arrives: int
) -> None:
    client, listener = await served.client(), await served.client()
    await listener.subscribe("/topic/said")
    bus.open.clear()
    await client.send("SEND", {"destination": destination, "receipt": "r"}, "x")
    await listener.send("SEND", {"destination": "/app/unknown"})
    await until(lambda: served.logged("refused"))
    assert bus.published == 0
    bus.open.set()
    assert (await client.frame()).headers["receipt-id"] == "r"
    assert bus.published == arrives
    assert (await listener.message()).text == "x"


async def test_the_receipt_of_a_subscribe_waits_until_the_bus_listens(served: Served, bus: RemoteBus) -> None:
    client, writer = await served.client(), await served.client()
    bus.open.clear()
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/topic/guarded", "receipt": "r"})
    await writer.send("SEND", {"destination": "/app/unknown"})
    await until(lambda: served.logged("refused"))
    assert client.frames == []
    bus.open.set()
    assert (await client.frame()).headers["receipt-id"] == "r"
    assert bus.wanted == {"/topic/guarded"}
    await writer.request("SEND", {"destination": "/topic/guarded"}, "x")
    assert (await client.message()).text == "x"
    await client.request("UNSUBSCRIBE", {"id": 1})
    assert bus.wanted == set()


@pytest.mark.parametrize("destination", ["/user/queue/x", "/session/queue/x"])
async def test_the_receipt_of_a_subscription_to_a_user_destination_waits_for_the_bus_and_says_what_it_refused(
    served: Served, bus: RemoteBus, destination: str
) -> None:
    client = await served.member("cook")
    bus.open.clear()
    await wish(served, client, destination)
    assert client.frames == []
    bus.open.set()
    assert (await client.frame()).headers["receipt-id"] == "r"
    await client.request("UNSUBSCRIBE", {"id": 1})
    assert bus.wanted == set()
    bus.broken = True
    await client.send("SUBSCRIBE", {"id": 1, "destination": destination, "receipt": "refused"})
    await until(lambda: served.logged("refused", code="unavailable"))
    bus.broken = False
    await client.subscribe(destination, 1)
    assert len(bus.wanted) == 1


SUBSCRIPTIONS: list[tuple[str, str, dict[str, object]]] = [
    ("/topic/a", "/topic/a", {}),
    ("/topic/a", "/topic/a", {"ack": "client"}),
    ("/topic/stocks.*", "/topic/stocks.*", {}),
    ("/topic/stocks.*", "/topic/stocks.>", {}),
    ("/topic/kept", "/topic/kept", {}),
    ("/topic/kept", "/topic/kept", {"history-last": 5}),
]


async def wish(served: Served, client: StompSocket, destination: str, **headers: object) -> None:
    """A SUBSCRIBE that has to wait for the bus."""
    await client.send("SUBSCRIBE", {"id": 1, "destination": destination, "receipt": "r", **headers})
    waiting = len(served.logged("refused")) + 1
    other = await served.client()
    await other.send("SEND", {"destination": "/app/unknown"})
    await until(lambda: len(served.logged("refused")) == waiting)


@pytest.mark.parametrize(("first", "second", "headers"), SUBSCRIPTIONS)
async def test_a_second_subscriber_waits_for_what_the_bus_is_asked_for_the_first(
    served: Served, bus: RemoteBus, first: str, second: str, headers: dict[str, object]
) -> None:
    one, two = await served.client(), await served.client()
    bus.open.clear()
    await wish(served, one, first)
    await wish(served, two, second, **headers)
    assert (one.frames, two.frames, bus.wanted) == ([], [], set())
    one.drop()  # whoever waits for it, the wish goes on
    await until(lambda: served.node.statistics().hub.subscriptions == 1)
    assert two.frames == []
    bus.open.set()
    assert (await two.frame()).headers["receipt-id"] == "r"
    await served.app.publish(second.replace("*", "ibm").replace(">", "ibm"), "x")
    assert (await two.message()).text == "x"


@pytest.mark.parametrize(("first", "second", "headers"), SUBSCRIPTIONS)
async def test_what_the_bus_refuses_the_first_subscriber_it_refuses_all_that_wait_and_the_next_one_asks_again(
    served: Served, bus: RemoteBus, first: str, second: str, headers: dict[str, object]
) -> None:
    one, two = await served.client(), await served.client()
    for client in (one, two):
        await client.errors()
    bus.open.clear()
    await wish(served, one, first)
    await wish(served, two, second, **headers)
    bus.broken = True
    bus.open.set()
    for client in (one, two):
        assert json.loads((await client.message()).body)["code"] == "unavailable"
    assert served.node.statistics().hub.subscriptions == 0
    bus.broken = False
    await two.subscribe(second, 2, **headers)
    assert len([channel for channel in bus.wanted if channel.startswith("/topic")]) == 1


async def test_a_wildcard_waits_until_the_bus_listens_for_all_that_begins_as_it_does(
    served: Served, bus: RemoteBus
) -> None:
    client, writer = await served.client(), await served.client()
    await client.subscribe("/topic/stocks.*", 1)
    await client.subscribe("/topic/stocks.*.>", 2)
    assert bus.wanted == {"/topic/stocks...."}
    await writer.request("SEND", {"destination": "/topic/stocks.ibm"}, "x")
    assert {(await client.message()).headers["subscription"] for _ in range(2)} == {"1", "2"}
    await client.request("UNSUBSCRIBE", {"id": 1})
    assert bus.wanted == {"/topic/stocks...."}
    await client.request("UNSUBSCRIBE", {"id": 2})
    assert bus.wanted == set()


@pytest.mark.parametrize(
    ("command", "headers"),
    [
        ("SEND", {"destination": "/topic/said"}),
        ("SEND", {"destination": "/app/say"}),
        ("SEND", {"destination": "/app/both"}),
        ("SUBSCRIBE", {"destination": "/topic/new", "id": 9}),
        ("SUBSCRIBE", {"destination": "/topic/new.*", "id": 9}),
    ],
)
async def test_what_the_bus_refuses_is_a_soft_error_without_internals(
    served: Served, bus: RemoteBus, command: str, headers: dict[str, object]
) -> None:
    client = await served.client()
    await client.errors()
    bus.broken = True
    await client.send(command, {**headers, "receipt": "r"}, "x" if command == "SEND" else "")
    error = await client.message()
    assert json.loads(error.body)["code"] == "unavailable"
    assert error.headers["receipt-id"] == "r"
    assert "s3cret" not in str(error)
    bus.broken = False
    await client.request(command, headers, "x" if command == "SEND" else "")
    assert client.frames == []
    assert served.node.statistics().hub.subscriptions == (1 if command == "SUBSCRIBE" else 0)


@pytest.mark.parametrize("broken", [False, True])
async def test_handlers_of_a_transaction_wait_for_the_bus_and_are_not_begun_where_it_refuses(
    served: Served, bus: RemoteBus, broken: bool
) -> None:
    client = await served.client()
    await client.errors()
    await client.subscribe("/session/queue/replies", "replies")
    await client.request("BEGIN", {"transaction": "t"})
    for destination in ("/app/say", "/topic/a", "/topic/b"):
        await client.request("SEND", {"destination": destination, "transaction": "t"}, "x")
    bus.open.clear()
    bus.broken = broken
    await client.send("COMMIT", {"transaction": "t", "receipt": "committed"})
    await until(lambda: served.node.statistics().transactions.committed == 1)
    assert bus.published == 0
    bus.open.set()
    if broken:
        assert '"code":"unavailable"' in (await client.message()).text
        bus.broken = False
        assert (await client.request("SEND", {"destination": "/topic/a"}, "x")).command == "RECEIPT"
        assert (client.frames, bus.published) == ([], 1)
    else:
        assert (await client.message()).text == "x"
        assert (await client.frame()).headers["receipt-id"] == "committed"
        assert bus.published == 3


async def test_publish_of_the_application_waits_and_raises(served: Served, bus: RemoteBus) -> None:
    bus.open.clear()
    publishing = asyncio.create_task(served.app.publish("/topic/a", "x"))
    await until(lambda: not publishing.done())
    bus.open.set()
    await publishing
    bus.broken = True
    with pytest.raises(BusError):
        await served.app.publish("/topic/a", "x")
    with pytest.raises(BusError):
        await served.app.send_to_user("cook", "/queue/x", "x")


async def test_user_destinations_go_through_the_bus(served: Served, bus: RemoteBus) -> None:
    client = await served.member("cook")
    await client.subscribe("/user/queue/x", 1)
    await client.subscribe("/session/queue/x", 2)
    assert bus.wanted == {"/user/cook", f"/session/{client.session}"}
    await served.app.send_to_user("cook", "/queue/x", "to the member")
    await served.app.send_to_session(client.session, "/queue/x", "to the session")
    assert [(await client.message()).text for _ in range(2)] == ["to the member", "to the session"]


async def test_a_refused_publication_of_a_thread_is_logged(served: Served, bus: RemoteBus) -> None:
    served.may_fail = True
    bus.broken = True
    served.app.publish_threadsafe("/topic/a", "x")
    await until(lambda: served.logged("publish_threadsafe failed"))


async def test_a_subscriber_that_leaves_while_the_bus_is_waited_for_leaves_nothing(
    served: Served, bus: RemoteBus
) -> None:
    client = await served.client()
    bus.open.clear()
    await client.send("SUBSCRIBE", {"id": 1, "destination": "/topic/a", "receipt": "r"})
    await until(lambda: served.node.statistics().hub.subscriptions == 1)
    client.drop()
    await until(lambda: served.node.statistics().hub.subscriptions == 0)
    bus.open.set()
    await until(lambda: served.node.runner.statistics().running == 0)
    assert served.node.statistics().hub.subscriptions == 0
    await until(lambda: served.node.statistics().sessions == 0)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Problem("own-code", "detail"), "own-code"),
        (AuthenticationError("token-expired", "detail"), "token-expired"),
        (AccessError("detail"), "forbidden"),
        (LimitError("max_body_bytes", 3), "too-large"),
        (BusError("internals"), "unavailable"),
        (TimeoutError("of the handler's own"), None),
        (KeyError("x"), None),
    ],
)
def test_errors_of_ours_have_their_codes(error: Exception, code: str | None) -> None:
    problem = Problems(ErrorHandlers(), "/errors", lambda: "id").known(error)
    assert (None if problem is None else problem.code) == code
    if problem is not None:
        assert "internals" not in problem.detail
