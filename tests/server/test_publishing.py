"""What the application publishes: bounds and counts, from the loop and from other threads."""

import asyncio
import threading
from collections.abc import Awaitable, Coroutine
from typing import Any

import pytest
import structlog

from serving import until
from stompede import BusError, SessionClosedError, Settings
from stompede.bus import Bus, MemoryBus
from stompede.messaging.destinations import Kind, Prefixes
from stompede.messaging.errors_to_client import ErrorHandlers
from stompede.messaging.problem import Problem
from stompede.messaging.routing import Router
from stompede.server.fanout.hub import Hub
from stompede.server.fanout.publication import Publication
from stompede.server.fanout.publishing import Publisher, PublisherStatistics
from stompede.server.options import OptionsTable
from stompede.server.problems import Problems
from stompede.server.recovery.histories import Histories
from stompede.store import MemoryHistory


class RefusingBus(MemoryBus[Publication]):
    """Refuses what it is given, a little later."""

    def publish(self, channel: str, item: Publication) -> Awaitable[None] | None:
        async def refuse() -> None:
            raise BusError(f"{channel} is away")

        return refuse()


class House:
    """A publisher with a bus that keeps what it is given."""

    def __init__(self, bus: Bus[Publication] | None = None) -> None:
        self.came: list[str] = []
        self.bus: Bus[Publication] = bus or MemoryBus()
        self.failures: list[BaseException] = []
        self.tasks: set[asyncio.Task[None]] = set()
        problems = Problems(ErrorHandlers(), "/errors", lambda: "id")
        hub = Hub(lambda _: None, "id", OptionsTable(Router()).policy_of)
        histories = Histories(MemoryHistory(), self.bus, hub, lambda: 0.0, lambda _: None)
        self.publisher = Publisher(
            Settings(threadsafe_queue=3),
            Prefixes(),
            self.bus,
            OptionsTable(Router()),
            histories,
            problems,
            self.spawn,
            lambda _: None,
        )

    def spawn(self, coro: Coroutine[Any, Any, Any], failed: str) -> None:
        async def run() -> None:
            try:
                await coro
            except Exception as error:
                self.failures.append(error)

        self.tasks.add(asyncio.ensure_future(run()))

    async def start(self) -> None:
        await self.bus.start(lambda publication: self.came.append(publication.message.destination))
        self.publisher.start(asyncio.get_running_loop())


def in_threads(count: int, publisher: Publisher) -> list[str]:
    """Publishes once from each of so many threads, while the loop stands still; says how it went."""
    outcomes: list[str] = []

    def publish() -> None:
        try:
            publisher.publish_threadsafe("/topic/a", "x")
            outcomes.append("taken")
        except (BusError, SessionClosedError) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=publish) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(outcomes)


async def test_statistics_count_publications_of_the_application_and_of_threads() -> None:
    house = House()
    await house.start()
    house.publisher.publish("/topic/a", "x")
    house.publisher.publish("/queue/a", "x")
    house.publisher.send_to(Kind.USER, "cook", "/queue/offers", "x", {})
    assert in_threads(5, house.publisher) == ["BusError"] * 2 + ["taken"] * 3
    assert house.publisher.statistics() == PublisherStatistics(
        published=2, sent_to_users=1, threadsafe_queued=3, threadsafe_refused=2, threadsafe_failed=0
    )
    await until(lambda: house.publisher.statistics().threadsafe_queued == 0)
    assert house.publisher.statistics().published == 5


async def test_what_a_thread_published_and_could_not_be_is_counted() -> None:
    house = House(RefusingBus())
    await house.start()
    with structlog.testing.capture_logs() as logs:
        house.publisher.publish_threadsafe("/topic/a", object())
        house.publisher.publish_threadsafe("/topic/a", "x")
        await until(lambda: house.publisher.statistics().threadsafe_failed == 2)
    assert [line["event"] for line in logs] == ["publish_threadsafe failed"]
    await until(lambda: [str(error) for error in house.failures] == ["/topic/a is away"])


@pytest.mark.parametrize("destination", ["/app/a", "/nowhere", "/topic/*", "/topic/", ""])
async def test_a_thread_is_told_of_a_destination_to_which_nothing_can_go(destination: str) -> None:
    house = House()
    await house.start()
    with pytest.raises(Problem) as refused:
        await asyncio.to_thread(house.publisher.publish_threadsafe, destination, "x")
    assert refused.value.code == "invalid-destination"
    assert house.publisher.statistics() == PublisherStatistics(0, 0, 0, 0, 0)


async def test_what_was_refused_because_no_loop_runs_is_not_published_by_a_later_one() -> None:
    house = House()
    assert in_threads(5, house.publisher) == ["SessionClosedError"] * 5
    assert house.publisher.statistics().threadsafe_queued == 0
    await house.start()
    house.bus.want("/topic/b")
    house.publisher.publish_threadsafe("/topic/b", "x")
    await until(lambda: house.publisher.statistics().threadsafe_queued == 0)
    assert house.publisher.statistics().published == 1


def test_a_loop_that_has_ended_is_none() -> None:
    house = House()
    asyncio.run(house.start())
    with pytest.raises(SessionClosedError, match="does not run"):
        house.publisher.publish_threadsafe("/topic/a", "x")
    assert house.publisher.statistics() == PublisherStatistics(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("destination", "hint"),
    [
        ("/topic/*", "without wildcards"),
        ("/queue/a>", "without wildcards"),
        ("/topic/a\nb", "control characters"),
        ("/queue/" + "x" * 600, "max_destination_bytes"),
        ("/topic/", "names nothing"),
        ("/session/queue/x", "send_to_session"),
        ("/elsewhere", "no topic and no queue"),
    ],
)
async def test_no_message_goes_where_no_client_could_send_it(destination: str, hint: str) -> None:
    house = House()
    for _ in range(2):
        with pytest.raises(Problem, match="invalid-destination") as refused:
            house.publisher.publish(destination, 1)
        assert hint in refused.value.detail


async def test_publishing_on_another_thread_is_refused_and_says_what_to_use() -> None:
    house = House()
    await house.start()
    for publish in (
        lambda: house.publisher.publish("/topic/a", "x"),
        lambda: house.publisher.send_to(Kind.USER, "cook", "/queue/a", "x", {}),
    ):
        with pytest.raises(RuntimeError, match="from another one use publish_threadsafe"):
            await asyncio.to_thread(publish)
    assert house.publisher.statistics().published == 0
