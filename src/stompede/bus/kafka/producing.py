"""The way of items to Kafka."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import Any, Final, final

from confluent_kafka import KafkaError, KafkaException, Producer

from stompede.bus.kafka.address import KafkaAddress
from stompede.bus.kafka.limits import KafkaBusLimits
from stompede.errors import BusError

_ITEM_BYTES: Final = 512  # what an item takes besides its bytes
_POLL_S: Final = 0.2
_LINGER_MS: Final = 1

Done = asyncio.Future[None]


@final
class Sender:
    """Publishes items; a thread of its own waits for Kafka's answers, which come to the loop in batches.

    Args:
        address: where Kafka is.
        limits: what may wait.
        options: further ones of librdkafka.

    Attributes:
        published: items that Kafka took.
        failed: items that were refused.
        waiting: items that Kafka has not answered for.
        waiting_bytes: what they take.
    """

    def __init__(self, address: KafkaAddress, limits: KafkaBusLimits, options: dict[str, Any]) -> None:
        self._topic = address.topic
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {
                **options,
                "enable.idempotence": True,
                "linger.ms": _LINGER_MS,
                "message.timeout.ms": max(1, int(limits.max_wait_s * 1000)),
                "message.max.bytes": limits.max_item_bytes + 4096,
                "queue.buffering.max.messages": 0,  # the bound is `max_waiting_bytes`
                "queue.buffering.max.kbytes": 2 * limits.max_waiting_bytes // 1024,
            }
        )
        self._answers: deque[tuple[Done, int, KafkaError | None]] = deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="stompede-kafka-publish", daemon=True)
        self._thread.start()
        self.published = self.failed = self.waiting = self.waiting_bytes = 0

    def publish(self, channel: str, data: bytes) -> Done:
        """Takes an item.

        Raises:
            BusError: it is too large, or too much waits already.
        """
        limits = self._limits
        size = len(data) + _ITEM_BYTES
        if len(data) > limits.max_item_bytes:
            raise self._refused(f"a message has {len(data)} bytes; the bus takes {limits.max_item_bytes}")
        if self.waiting_bytes + size > limits.max_waiting_bytes:
            raise self._refused(
                f"{self.waiting_bytes} bytes wait for Kafka, and {limits.max_waiting_bytes} may (bus_bytes): "
                "it is away, or does not keep up"
            )
        done: Done = self._loop.create_future()

        def answered(error: KafkaError | None, _: object) -> None:  # on the thread
            self._answers.append((done, size, error))

        try:
            self._producer.produce(self._topic, data, channel.encode(), on_delivery=answered)
        except (BufferError, KafkaException) as error:
            raise self._refused(f"Kafka does not take a message: {error}") from None
        self.waiting += 1
        self.waiting_bytes += size
        return done

    def _refused(self, why: str) -> BusError:
        self.failed += 1
        return BusError(why)

    def _poll(self) -> None:
        while not self._stopped.is_set():
            if self._producer.poll(_POLL_S):
                with contextlib.suppress(RuntimeError):  # the loop has ended before us
                    self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        while self._answers:
            done, size, error = self._answers.popleft()
            self.waiting -= 1
            self.waiting_bytes -= size
            if error is None:
                self.published += 1
                if not done.done():
                    done.set_result(None)
            else:
                self.failed += 1
                if not done.done():
                    done.set_exception(BusError(_sentence(error, self._limits)))
                    done.exception()  # whoever published may have gone away

    async def aclose(self) -> None:
        """Ends; what waits is refused. Idempotent."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)
        self._producer.purge()
        while self.waiting:
            await asyncio.to_thread(self._producer.poll, _POLL_S)
            self._tell()


def _sentence(error: KafkaError, limits: KafkaBusLimits) -> str:
    match error.code():
        case KafkaError._MSG_TIMED_OUT:
            return f"Kafka has not taken a message within {limits.max_wait_s:g} s: it is away, or does not keep up"
        case KafkaError.MSG_SIZE_TOO_LARGE:
            return "Kafka does not take a message as large as this; see max.message.bytes of its topic"
        case KafkaError._PURGE_QUEUE | KafkaError._PURGE_INFLIGHT:
            return "the bus was closed"
        case _:
            return f"Kafka refused a message: {error.str()}"
