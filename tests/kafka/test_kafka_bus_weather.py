"""What becomes of the bus when its broker is killed, has too little room, or somebody else writes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

import pytest
from confluent_kafka import Producer

from kafkaserving import KafkaBroker, running_kafka
from stompede.bus.kafka import KafkaAddress, KafkaBus, KafkaBusLimits
from stompede.errors import BusError
from stompede.testing.contracts.bus import Heard, done

PATIENCE_S = 30.0
pytestmark = [pytest.mark.asyncio, pytest.mark.proof]


@pytest.fixture(scope="module")
def broker() -> Iterator[KafkaBroker]:
    with running_kafka() as running:
        yield running


@pytest.fixture
def address(broker: KafkaBroker) -> KafkaAddress:
    return KafkaAddress.parse(f"{broker.url}?topic=test-{uuid.uuid4().hex}")


@contextlib.asynccontextmanager
async def node(address: KafkaAddress, **limits: Any) -> AsyncIterator[tuple[KafkaBus[bytes], Heard]]:
    bus = KafkaBus(address, bytes, _load, lambda item: item[:1].decode(), limits=KafkaBusLimits(**limits))
    heard = Heard(PATIENCE_S)
    await bus.start(heard)
    try:
        await done(bus.want("a"))
        yield bus, heard
    finally:
        await bus.aclose()


def _load(data: bytes) -> bytes:
    if data == b"broken":
        raise ValueError("it is broken")
    return data


def _later(outcome: Awaitable[None] | None) -> Awaitable[None]:
    assert outcome is not None
    return outcome


async def test_a_broker_that_restarts_loses_nothing_and_brings_nothing_twice(
    broker: KafkaBroker, address: KafkaAddress
) -> None:
    async with node(address, max_wait_s=PATIENCE_S) as (bus, heard), node(address) as (_, heard_there):
        taken = []
        for number in range(300):
            taken.append(asyncio.ensure_future(_later(bus.publish("a", b"a%d" % number))))
            if number == 100:
                await asyncio.gather(*taken)
                await asyncio.to_thread(broker.stop)
            if number == 200:
                await asyncio.to_thread(broker.start)
        await asyncio.gather(*taken)
        for one in (heard, heard_there):
            assert await one.wait_for(b"a299") == [b"a%d" % number for number in range(300)]


async def test_while_the_broker_is_away_items_are_refused_after_a_time_with_the_reason(
    broker: KafkaBroker, address: KafkaAddress
) -> None:
    async with node(address, max_wait_s=0.5) as (bus, heard):
        await asyncio.to_thread(broker.stop, signal.SIGTERM)
        try:
            with pytest.raises(BusError, match=r"within 0\.5 s: it is away"):
                await done(bus.publish("a", b"a1"))
            counted = bus.statistics()
            assert (counted.failed, counted.waiting, counted.waiting_bytes) == (1, 0, 0)
        finally:
            await asyncio.to_thread(broker.start)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await done(bus.publish("a", b"again"))
                    break
                except BusError:
                    continue
        await heard.wait_for(b"again")


async def test_too_large_and_too_much_are_refused(address: KafkaAddress) -> None:
    async with node(address, max_item_bytes=1000, max_waiting_bytes=5000) as (bus, _):
        with pytest.raises(BusError, match=r"1001 bytes; the bus takes 1000"):
            bus.publish("a", bytes(1001))
        taken = [_later(bus.publish("a", b"a" * 900)) for _ in range(3)]
        with pytest.raises(BusError, match="bus_bytes"):
            bus.publish("a", b"a" * 900)
        for each in taken:
            await each
        assert bus.statistics().failed == 2


async def test_what_other_programs_write_without_a_key_comes_to_who_wants_its_channel(
    address: KafkaAddress,
) -> None:
    async with node(address) as (bus, heard):
        other = Producer(address.options())
        for value in (b"b is not wanted", b"broken", b"a is wanted"):
            other.produce(address.topic, value)
        await asyncio.to_thread(other.flush)
        assert await heard.wait_for(b"a is wanted") == [b"a is wanted"]
        assert bus.statistics().unreadable == 1


async def test_where_no_broker_is_the_sentence_says_where_it_was_looked_for() -> None:
    bus = KafkaBus(KafkaAddress.parse("kafka://me:s3cret@127.0.0.1:1"), bytes, bytes, bytes.decode)
    with pytest.raises(BusError, match=r"no Kafka for the bus at kafka://127\.0\.0\.1:1") as refused:
        await bus.start(lambda _: None)
    assert "s3cret" not in str(refused.value)
