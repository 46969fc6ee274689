"""The fleet over a client that hands reports to a function; over the real one it runs in the test of the command."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace, TracebackType
from typing import Any

from stompede import RequestError, SessionClosedError
from stompede.apps.location import Commute, CommuteAnswer, WorkStatus
from stompede.apps.location.simulation.figures import LatencyHistogram
from stompede.apps.location.simulation.fleet import Fleet, FleetOptions
from stompede.apps.location.simulation.rider import Step

Answer = Callable[[Commute], Awaitable[None]]


class Node:
    """Remembers what riders reported; hooks make it slow, unkind, or absent."""

    def __init__(self) -> None:
        self.reports: list[tuple[int, str]] = []
        self.clients: list[Client] = []
        self.before_answer: Answer | None = None
        self.refuse_connections = 0
        self.away = False
        """Whether connections that end do not come back."""
        self.waiting = asyncio.Event()

    def connect(self) -> AbstractAsyncContextManager["Client"]:
        client = Client(self)
        self.clients.append(client)
        return client

    def statuses(self, rider_id: int) -> list[str]:
        return [status for rider, status in self.reports if rider == rider_id]


class Client:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.connected = False
        self.connects = 0
        self.closed_for_good = False

    @property
    def session_id(self) -> str:
        return f"{id(self)}-{self.connects}"

    async def __aenter__(self) -> "Client":
        if self.node.refuse_connections:
            self.node.refuse_connections -= 1
            raise SessionClosedError("connection refused")
        self.connected = True
        self.connects = 1
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.connected = False

    async def wait_connected(self) -> None:
        if self.closed_for_good:
            raise SessionClosedError("the client is closed")
        if self.node.away:
            self.node.waiting.set()
            await asyncio.get_running_loop().create_future()
        self.connected = True
        self.connects += 1

    async def request(
        self, destination: str, body: Commute, reply_type: Any, *, timeout_s: float | None
    ) -> Any:
        async with asyncio.timeout(timeout_s):
            if self.node.before_answer is not None:
                await self.node.before_answer(body)
        self.node.reports.append((body.rider_id, body.work_status.value))
        return CommuteAnswer(body.rider_id)

    def statistics(self) -> Any:
        return SimpleNamespace(connects=self.connects)


def steps(count: int | None, *, every_s: float = 0.0) -> Iterator[Step]:
    numbers = itertools.count() if count is None else range(count)
    for number in numbers:
        status = WorkStatus.WORKING if number else WorkStatus.INIT
        yield Step(number * every_s, status, 60.17, 24.94)


async def test_every_shift_begins_with_init_and_ends_with_done() -> None:
    node = Node()
    fleet = Fleet(node.connect, {1: steps(3), 2: steps(1)})
    await fleet.run()
    assert node.statuses(1) == ["INIT", "WORKING", "WORKING", "DONE"]
    assert node.statuses(2) == ["INIT", "DONE"]
    assert len(node.clients) == 2
    counted = fleet.statistics()
    assert (counted.riders, counted.riding, counted.sent, counted.answered) == (2, 0, 6, 6)
    assert counted.errors == {}
    assert counted.latency_p50_ms is not None


async def test_riders_may_share_connections() -> None:
    node = Node()
    await Fleet(node.connect, {n: steps(2) for n in range(10)}, FleetOptions(connections=3)).run()
    assert len(node.clients) == 3
    assert Counter(status for _, status in node.reports) == {"INIT": 10, "WORKING": 10, "DONE": 10}


async def test_stop_ends_every_shift_with_done() -> None:
    node = Node()
    began = asyncio.Event()

    async def before_answer(body: Commute) -> None:
        if len(node.reports) == 1:
            began.set()

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {n: steps(None, every_s=1000) for n in range(2)})
    async with asyncio.TaskGroup() as group:
        group.create_task(fleet.run())
        await began.wait()
        await asyncio.sleep(0)
        fleet.stop()
    assert node.statuses(0) == node.statuses(1) == ["INIT", "DONE"]


async def test_what_the_server_refuses_is_counted_by_code_and_the_shift_begins_later() -> None:
    node = Node()
    attempts = 0

    async def before_answer(body: Commute) -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 2:
            raise RequestError("unavailable", "not now")

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {1: steps(4)})
    await fleet.run()
    assert node.statuses(1) == ["INIT", "WORKING", "DONE"]
    counted = fleet.statistics()
    assert counted.errors == {"unavailable": 2}
    assert counted.last_error == "unavailable: not now"


async def test_a_rider_that_never_got_through_says_no_done() -> None:
    node = Node()

    async def before_answer(body: Commute) -> None:
        raise RequestError("forbidden", "no")

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {1: steps(3)})
    await fleet.run()
    assert node.reports == []
    assert (fleet.statistics().sent, fleet.statistics().answered) == (3, 0)


async def test_an_answer_that_does_not_come_is_counted() -> None:
    node = Node()

    async def before_answer(body: Commute) -> None:
        await asyncio.get_running_loop().create_future()

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {1: steps(2)}, FleetOptions(answer_timeout_s=0.001))
    await fleet.run()
    assert fleet.statistics().errors == {"timeout": 2}


async def test_positions_that_are_long_due_are_left_out() -> None:
    node = Node()
    due = [Step(s, WorkStatus.WORKING, 1, 1) for s in (-9.0, -5.0, -4.0, -0.5)]
    fleet = Fleet(node.connect, {1: iter(due)})
    await fleet.run()
    assert node.statuses(1) == ["INIT", "WORKING", "DONE"]
    assert fleet.statistics().skipped == 2


async def test_a_lost_connection_comes_back_and_the_new_session_hears_init() -> None:
    node = Node()
    lost = False

    async def before_answer(body: Commute) -> None:
        nonlocal lost
        if len(node.reports) == 1 and not lost:
            lost = True
            node.clients[0].connected = False
            raise SessionClosedError("the connection ended")

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {1: steps(4)})
    await fleet.run()
    assert node.statuses(1) == ["INIT", "INIT", "WORKING", "DONE"]
    assert len(node.clients) == 1
    counted = fleet.statistics()
    assert (counted.reconnects, counted.errors) == (1, {"connection-lost": 1})


async def test_stop_ends_the_run_while_the_node_is_away() -> None:
    node = Node()

    async def before_answer(body: Commute) -> None:
        if body.work_status is WorkStatus.WORKING:
            node.away = True
            node.clients[0].connected = False
            raise SessionClosedError("the connection ended")

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {n: steps(None) for n in range(2)}, FleetOptions(connections=1))
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(fleet.run())
        await node.waiting.wait()
        fleet.stop()
    assert node.statuses(0) == node.statuses(1) == ["INIT"]
    counted = fleet.statistics()
    assert (counted.answered, counted.riding, counted.connections) == (2, 0, 0)
    assert set(counted.errors) == {"connection-lost"}


async def test_a_client_that_closed_for_good_is_replaced() -> None:
    node = Node()

    async def before_answer(body: Commute) -> None:
        if node.reports and len(node.clients) == 1:
            node.clients[0].closed_for_good = True
            raise SessionClosedError("the server said not to come back")

    node.before_answer = before_answer
    fleet = Fleet(node.connect, {1: steps(3), 2: steps(3)}, FleetOptions(connections=1, retry_s=0.0))
    await fleet.run()
    assert len(node.clients) == 2
    assert node.statuses(1)[0] == node.statuses(2)[0] == "INIT"
    assert node.statuses(1)[-1] == node.statuses(2)[-1] == "DONE"


async def test_the_first_connection_is_tried_until_the_node_is_there() -> None:
    node = Node()
    node.refuse_connections = 3
    fleet = Fleet(node.connect, {1: steps(2)}, FleetOptions(retry_s=0.0))
    await fleet.run()
    assert node.statuses(1) == ["INIT", "WORKING", "DONE"]
    assert fleet.statistics().errors == {"connection-failed": 3}


async def test_a_node_that_is_never_there_is_given_up() -> None:
    node = Node()
    node.refuse_connections = 1_000_000
    fleet = Fleet(node.connect, {1: steps(2)}, FleetOptions(retry_s=0.0, give_up_s=0.01))
    await fleet.run()
    counted = fleet.statistics()
    assert counted.answered == 0
    assert counted.last_error == "connection refused"


def test_quantiles_are_within_two_percent() -> None:
    histogram = LatencyHistogram()
    assert histogram.quantile_s(0.5) is None
    for millisecond in range(1, 1001):
        histogram.record(millisecond / 1000)
    for share in (0.01, 0.5, 0.99):
        quantile = histogram.quantile_s(share)
        assert quantile is not None
        assert abs(quantile / share - 1) < 0.025


def test_a_histogram_takes_every_time() -> None:
    histogram = LatencyHistogram()
    for seconds in (-1.0, 0.0, 1e-9, 5e5):
        histogram.record(seconds)
    assert histogram.quantile_s(1.0) is not None
