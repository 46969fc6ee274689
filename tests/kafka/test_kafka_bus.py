from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from kafkaserving import some_kafka
from stompede.bus.kafka import KafkaAddress, KafkaBus
from stompede.testing.contracts import SharedBusContract

pytestmark = pytest.mark.proof  # a broker takes its time


@pytest.fixture(scope="module")
def kafka_url() -> Iterator[str]:
    with some_kafka() as url:
        yield url


class TestKafkaBus(SharedBusContract):
    patience_s = 10.0

    @pytest.fixture(autouse=True)
    def _topic(self, kafka_url: str) -> None:
        self._address = KafkaAddress.parse(f"{kafka_url}?topic=test-{uuid.uuid4().hex}")

    async def make_bus(self) -> KafkaBus[bytes]:
        return KafkaBus(self._address, bytes, bytes, lambda item: item.decode().partition(" of ")[2])
