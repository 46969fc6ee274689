"""The contract of every bus, as a suite; the promises themselves are written down in `stompede.bus.Bus`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from typing import Any, ClassVar, final

import pytest

from stompede.bus import Bus
from stompede.errors import BusError

CHANNEL = "/topic/a"


@final
class Heard:
    """What one node heard: pass it to `Bus.start`.

    Args:
        patience_s: how long to wait for an item.

    Attributes:
        items: what came, in order.
        threads: on which threads it came.
    """

    def __init__(self, patience_s: float) -> None:
        self.items: list[Any] = []
        self.threads: set[int] = set()
        self._patience_s = patience_s
        self._came = asyncio.Event()

    def __call__(self, item: Any) -> None:
        self.threads.add(threading.get_ident())
        self.items.append(item)
        self._came.set()

    async def wait_for(self, last: Any) -> list[Any]:
        """Waits until an item has come; returns all that came so far."""
        try:
            async with asyncio.timeout(self._patience_s):
                while last not in self.items:
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            raise AssertionError(f"{last!r} did not come; what came: {self.items!r}") from None
        return list(self.items)


async def done(outcome: Awaitable[None] | None) -> None:
    """Waits for what `Bus.publish` and `Bus.want` return."""
    if outcome is not None:
        await outcome


def cancel(outcome: Awaitable[None] | None) -> None:
    """Does to what `Bus.publish` and `Bus.want` return what a caller who goes away does to it."""
    if outcome is not None:
        asyncio.ensure_future(outcome).cancel()


class BusContract(ABC):
    """The promises of every `Bus`, of one node. Derive a class, name it ``Test...``, and say how a bus is made.

    Attributes:
        patience_s: how long an item may take before a test fails.
    """

    pytestmark: ClassVar = [pytest.mark.asyncio]
    patience_s: float = 5.0

    @abstractmethod
    async def make_bus(self) -> Bus[Any]:
        """A new bus, not started. The suite starts it and closes it. All that one test makes belong together, as the
        nodes of one system do; those of different tests hear nothing of each other.
        """

    def item(self, channel: str, number: int) -> Any:
        """An item to publish on a channel. Override it where a bus carries something else than ``bytes``: equal for
        equal arguments, different for different numbers.
        """
        return f"{number} of {channel}".encode()

    def items(self, count: int, channel: str = CHANNEL) -> list[Any]:
        """Different items of a channel."""
        return [self.item(channel, number) for number in range(count)]

    @contextlib.asynccontextmanager
    async def node(self, *channels: str) -> AsyncIterator[tuple[Bus[Any], Heard]]:
        """A started bus that wants channels, and what it hears."""
        bus, heard = await self.make_bus(), Heard(self.patience_s)
        await bus.start(heard)
        try:
            for channel in channels:
                await done(bus.want(channel))
            yield bus, heard
        finally:
            await bus.aclose()

    async def test_what_a_node_publishes_comes_back_to_it_once_and_as_it_was(self) -> None:
        async with self.node(CHANNEL) as (bus, heard):
            for item in self.items(10):
                await done(bus.publish(CHANNEL, item))
            assert await heard.wait_for(self.item(CHANNEL, 9)) == self.items(10)

    async def test_items_of_a_channel_keep_the_order_of_the_calls_not_of_the_waiting(self) -> None:
        async with self.node(CHANNEL) as (bus, heard):
            outcomes = [bus.publish(CHANNEL, item) for item in self.items(100)]
            for outcome in reversed(outcomes):
                await done(outcome)
            assert await heard.wait_for(self.item(CHANNEL, 99)) == self.items(100)

    async def test_items_come_on_the_thread_of_the_loop(self) -> None:
        async with self.node(CHANNEL) as (bus, heard):
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard.wait_for(self.item(CHANNEL, 1))
            assert heard.threads == {threading.get_ident()}

    async def test_what_is_published_while_an_item_is_delivered_comes_after_it(self) -> None:
        bus, heard = await self.make_bus(), Heard(self.patience_s)
        first, second = self.items(2)
        open_ones: list[Awaitable[None] | None] = []

        def deliver(item: Any) -> None:
            heard(item)
            if item == first:
                open_ones.append(bus.publish(CHANNEL, second))

        await bus.start(deliver)
        try:
            await done(bus.want(CHANNEL))
            await done(bus.publish(CHANNEL, first))
            assert await heard.wait_for(second) == [first, second]
            for outcome in open_ones:
                await done(outcome)
        finally:
            await bus.aclose()

    async def test_to_cancel_a_publish_takes_no_item_back(self) -> None:
        async with self.node(CHANNEL) as (bus, heard):
            cancel(bus.publish(CHANNEL, self.item(CHANNEL, 0)))
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
            assert await heard.wait_for(self.item(CHANNEL, 1)) == self.items(2)

    async def test_any_text_names_a_channel(self) -> None:
        names = ("", " ", "/topic/라이더", "a\nb", "/topic/*", "[a-z]?", "{x}", "%s", "k" * 200)
        async with self.node(*names) as (bus, heard):
            for name in names:
                await done(bus.publish(name, self.item(name, 1)))
                await heard.wait_for(self.item(name, 1))
            assert sorted(map(str, heard.items)) == sorted(str(self.item(name, 1)) for name in names)

    async def test_wishes_are_not_counted(self) -> None:
        async with self.node() as (bus, _):
            for outcome in (bus.want("/topic/a"), bus.want("/topic/a"), bus.want("/topic/b")):
                await done(outcome)
            assert bus.statistics().channels == 2
            bus.unwant("/topic/a")
            assert bus.statistics().channels == 1

    async def test_who_wants_what_is_being_wanted_waits_for_as_long(self) -> None:
        async with self.node() as (bus, heard):
            first, second = bus.want(CHANNEL), bus.want(CHANNEL)
            await done(second)
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard.wait_for(self.item(CHANNEL, 1))
            await done(first)

    async def test_to_cancel_a_want_takes_no_wish_back(self) -> None:
        async with self.node() as (bus, heard):
            cancel(bus.want(CHANNEL))
            await done(bus.want(CHANNEL))
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard.wait_for(self.item(CHANNEL, 1))
            assert bus.statistics().channels == 1

    async def test_the_last_wish_counts(self) -> None:
        async with self.node() as (bus, heard):
            first = bus.want(CHANNEL)
            bus.unwant(CHANNEL)
            assert bus.statistics().channels == 0
            second = bus.want(CHANNEL)
            for outcome in (second, first):
                with contextlib.suppress(BusError):  # of a wish that was taken back
                    await done(outcome)
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard.wait_for(self.item(CHANNEL, 1))
            assert bus.statistics().channels == 1

    async def test_a_channel_that_is_wanted_no_more_leaves_the_others_alone(self) -> None:
        async with self.node("/topic/a", "/topic/b") as (bus, heard):
            bus.unwant("/topic/a")
            bus.unwant("/topic/never")
            await done(bus.publish("/topic/a", self.item("/topic/a", 1)))
            await done(bus.publish("/topic/b", self.item("/topic/b", 1)))
            await heard.wait_for(self.item("/topic/b", 1))
            await done(bus.want("/topic/a"))
            await done(bus.publish("/topic/a", self.item("/topic/a", 2)))
            await heard.wait_for(self.item("/topic/a", 2))

    async def test_a_prefix_brings_every_channel_that_begins_with_it_as_it_is(self) -> None:
        async with self.node() as (bus, heard):
            for prefix in ("/topic/a.", "[b]?", "%c"):
                await done(bus.want_prefix(prefix))
            for name in ("/topic/a.", "/topic/a.b", "/topic/a.b/c", "[b]?d", "%c%d"):
                await done(bus.publish(name, self.item(name, 1)))
                await heard.wait_for(self.item(name, 1))

    async def test_what_is_wanted_by_name_and_by_prefixes_comes_once(self) -> None:
        async with self.node(CHANNEL, "/topic/end") as (bus, heard):
            for prefix in ("", "/topic", CHANNEL):
                await done(bus.want_prefix(prefix))
            for item in self.items(3):
                await done(bus.publish(CHANNEL, item))
            await done(bus.publish("/topic/end", self.item("/topic/end", 1)))
            await heard.wait_for(self.item("/topic/end", 1))
            assert heard.items[:3] == self.items(3)
            assert set(heard.items[3:]) == {self.item("/topic/end", 1)}

    async def test_wishes_for_prefixes_end_by_themselves_and_leave_the_others_alone(self) -> None:
        async with self.node(CHANNEL) as (bus, heard):
            for prefix in (CHANNEL, CHANNEL, "/topic/b"):
                await done(bus.want_prefix(prefix))
            assert bus.statistics().channels == 3
            bus.unwant_prefix(CHANNEL)
            bus.unwant_prefix("/topic/never")
            assert bus.statistics().channels == 2
            for name in (CHANNEL, "/topic/bc"):
                await done(bus.publish(name, self.item(name, 1)))
                await heard.wait_for(self.item(name, 1))
            bus.unwant(CHANNEL)
            assert bus.statistics().channels == 1
            await done(bus.publish("/topic/bc", self.item("/topic/bc", 2)))
            await heard.wait_for(self.item("/topic/bc", 2))

    async def test_statistics_count_what_happened(self) -> None:
        bus = await self.make_bus()
        with pytest.raises(BusError):
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 0)))
        heard = Heard(self.patience_s)
        await bus.start(heard)
        await done(bus.want(CHANNEL))
        for item in self.items(3):
            await done(bus.publish(CHANNEL, item))
        await heard.wait_for(self.item(CHANNEL, 2))
        await bus.aclose()
        counted = bus.statistics()
        assert (counted.published, counted.delivered, counted.failed) == (3, 3, 1)

    async def test_before_the_start_it_takes_nothing_and_can_be_closed(self) -> None:
        bus = await self.make_bus()
        with pytest.raises(BusError):
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
        with pytest.raises(BusError):
            await done(bus.want(CHANNEL))
        with pytest.raises(BusError):
            await done(bus.want_prefix(CHANNEL))
        bus.unwant(CHANNEL)
        bus.unwant_prefix(CHANNEL)
        await bus.aclose()

    async def test_after_the_end_it_takes_nothing_and_says_nothing(self) -> None:
        async with self.node(CHANNEL) as (bus, heard):
            await done(bus.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard.wait_for(self.item(CHANNEL, 1))
            await bus.aclose()
            await bus.aclose()
            with pytest.raises(BusError):
                await done(bus.publish(CHANNEL, self.item(CHANNEL, 2)))
            with pytest.raises(BusError):
                await done(bus.want("/topic/b"))
            with pytest.raises(BusError):
                await done(bus.want_prefix("/topic/b"))
            bus.unwant(CHANNEL)
            bus.unwant_prefix(CHANNEL)
            assert heard.items == [self.item(CHANNEL, 1)]

    async def test_what_waits_when_the_bus_is_closed_ends(self) -> None:
        async with self.node(CHANNEL) as (bus, _):
            outcomes = [bus.want("/topic/b"), *(bus.publish(CHANNEL, item) for item in self.items(20))]
            await bus.aclose()
            async with asyncio.timeout(self.patience_s):
                for outcome in outcomes:
                    with contextlib.suppress(BusError):
                        await done(outcome)


class SharedBusContract(BusContract):
    """The promises of a `Bus` that connects nodes: those of `BusContract`, and what nodes promise each other."""

    async def test_every_node_that_wants_a_channel_gets_each_item_once(self) -> None:
        async with self.node(CHANNEL) as (here, heard), self.node(CHANNEL) as (there, heard_there):
            await done(here.publish(CHANNEL, self.item(CHANNEL, 0)))
            for one in (heard, heard_there):
                await one.wait_for(self.item(CHANNEL, 0))
            await done(there.publish(CHANNEL, self.item(CHANNEL, 1)))
            for one in (heard, heard_there):
                assert await one.wait_for(self.item(CHANNEL, 1)) == self.items(2)

    async def test_a_node_that_only_listens_misses_nothing_once_its_wish_is_done(self) -> None:
        async with self.node() as (here, _), self.node() as (there, heard_there):
            for number in range(10):
                channel = f"/topic/{number}"
                await done(there.want(channel))
                await done(here.publish(channel, self.item(channel, 1)))
                await heard_there.wait_for(self.item(channel, 1))

    async def test_a_node_that_wants_a_prefix_gets_what_others_publish_below_it(self) -> None:
        async with self.node() as (here, _), self.node() as (there, heard_there):
            await done(there.want_prefix("/topic/stocks."))
            for number in range(10):
                channel = f"/topic/stocks.{number}"
                await done(here.publish(channel, self.item(channel, 1)))
                await heard_there.wait_for(self.item(channel, 1))

    async def test_all_nodes_see_the_items_of_a_channel_in_one_order(self) -> None:
        async with (
            self.node(CHANNEL) as (a, heard_a),
            self.node(CHANNEL) as (b, heard_b),
            self.node(CHANNEL) as (_, heard_c),
        ):
            outcomes = [
                (b if number % 2 else a).publish(CHANNEL, self.item(CHANNEL, number)) for number in range(100)
            ]
            for outcome in outcomes:
                await done(outcome)
            for heard in (heard_a, heard_b, heard_c):
                for item in self.items(100)[-2:]:
                    await heard.wait_for(item)
            assert heard_a.items == heard_b.items == heard_c.items
            for parity in (0, 1):
                own = self.items(100)[parity::2]
                assert [item for item in heard_c.items if item in own] == own

    async def test_a_wish_that_ends_on_one_node_goes_on_at_the_others(self) -> None:
        async with self.node(CHANNEL) as (here, _), self.node(CHANNEL) as (_, heard_there):
            here.unwant(CHANNEL)
            await done(here.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard_there.wait_for(self.item(CHANNEL, 1))

    async def test_a_closed_node_hears_nothing_and_the_others_do_not_notice(self) -> None:
        async with self.node(CHANNEL) as (here, heard), self.node(CHANNEL) as (there, heard_there):
            await here.aclose()
            await done(there.publish(CHANNEL, self.item(CHANNEL, 1)))
            await heard_there.wait_for(self.item(CHANNEL, 1))
            assert heard.items == []

    async def test_statistics_are_of_one_node(self) -> None:
        async with self.node(CHANNEL) as (here, heard), self.node(CHANNEL) as (there, heard_there):
            for item in self.items(3):
                await done(here.publish(CHANNEL, item))
            for one in (heard, heard_there):
                await one.wait_for(self.item(CHANNEL, 2))
            counted = [(one.statistics().published, one.statistics().delivered) for one in (here, there)]
            assert counted == [(3, 3), (0, 3)]
