"""The way of items from Kafka: a thread reads every partition from where it ended at the start, and hands what is
wanted to the loop, many at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from stompede.bus.kafka.address import KafkaAddress

log = structlog.get_logger("stompede.bus.kafka")
_BATCH: Final = 500
_POLL_S: Final = 0.2
_METADATA_S: Final = 5.0
_NEW_TOPIC_S: Final = 0.05

Record = tuple[str | None, bytes]
"""The channel that a record names, or ``None``, and its bytes."""


@final
class Reader:
    """Reads the topic.

    There is no consumer group: each node reads everything, so that nobody's start or end stalls another.

    Args:
        address: where Kafka is.
        options: further ones of librdkafka.
        wanted: whether somebody here wants a channel; asked on the thread.
        bring: gets what is wanted, and what names no channel, on the loop.
        interrupted: told on the loop that records were deleted before they were read.
    """

    def __init__(
        self,
        address: KafkaAddress,
        options: dict[str, Any],
        *,
        wanted: Callable[[str], bool],
        bring: Callable[[Sequence[Record]], None],
        interrupted: Callable[[], None],
    ) -> None:
        self._topic = address.topic
        self._wanted = wanted
        self._bring = bring
        self._interrupted = interrupted
        self._loop = asyncio.get_running_loop()
        self._consumer = Consumer(
            {
                **options,
                "group.id": "stompede",  # demanded, and not joined: partitions are assigned
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "fetch.min.bytes": 20_000,
                "fetch.wait.max.ms": 5,  # a fetch costs more than its records: some milliseconds spare two thirds
            }
        )
        self._stopped = threading.Event()
        self._taken = threading.Event()
        self._thread = threading.Thread(target=self._read, name="stompede-kafka-listen", daemon=True)
        self.passed_by = 0

    def seek_end(self) -> None:
        """Finds where the topic ends now: whatever is published from here on is read. Blocks.

        Raises:
            KafkaException: Kafka does not answer, or has no such topic.
        """
        ends = []
        for partition in self._partitions():
            _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), _METADATA_S)
            ends.append(TopicPartition(self._topic, partition, end))
        self._consumer.assign(ends)

    def _partitions(self) -> list[int]:
        """Those of the topic. Where it was made just now, brokers may not know it yet."""
        end = time.monotonic() + _METADATA_S
        while True:
            found = self._consumer.list_topics(self._topic, _METADATA_S).topics[self._topic]
            if found.error is None and found.partitions:
                return sorted(found.partitions)
            if time.monotonic() > end:
                raise KafkaException(found.error)
            time.sleep(_NEW_TOPIC_S)

    def start(self) -> None:
        """Reads from now on."""
        self._thread.start()

    def _read(self) -> None:
        while not self._stopped.is_set():
            messages = self._consumer.consume(_BATCH, 0.0)
            if not messages:
                message = self._consumer.poll(_POLL_S)
                messages = [] if message is None else [message]
            records = [record for message in messages if (record := self._record(message)) is not None]
            if records and not self._hand_over(records):
                return

    def _hand_over(self, records: Sequence[Record]) -> bool:
        """One batch at a time: while the loop is busy, records wait at Kafka's."""
        self._taken.clear()
        try:
            self._loop.call_soon_threadsafe(self._take, records)
        except RuntimeError:  # the loop has ended
            return False
        while not self._taken.wait(_POLL_S):
            if self._stopped.is_set():
                return False
        return True

    def _take(self, records: Sequence[Record]) -> None:
        self._taken.set()
        if not self._stopped.is_set():
            self._bring(records)

    def _record(self, message: Message) -> Record | None:
        error = message.error()
        if error is not None:
            self._failed(error, message)
            return None
        value, key = message.value(), message.key()
        if value is None:
            return None
        channel = (
            None
            if key is None
            else (key if isinstance(key, bytes) else key.encode()).decode(errors="replace")
        )
        if channel is not None and not self._wanted(channel):
            self.passed_by += 1
            return None
        return channel, value if isinstance(value, bytes) else value.encode()

    def _failed(self, error: KafkaError, message: Message) -> None:
        if error.code() != KafkaError._AUTO_OFFSET_RESET:
            log.warning("kafka", error=error.str())
            return
        partition = TopicPartition(self._topic, message.partition() or 0)
        begin, _ = self._consumer.get_watermark_offsets(partition, _METADATA_S)
        log.error(
            "records were deleted before they were read", partition=partition.partition, goes_on_at=begin
        )
        self._consumer.seek(TopicPartition(self._topic, partition.partition, begin))
        self._loop.call_soon_threadsafe(self._interrupted)

    async def aclose(self) -> None:
        """Ends. Idempotent."""
        if not self._stopped.is_set():
            self._stopped.set()
            if self._thread.ident is not None:
                await asyncio.to_thread(self._thread.join)
            await asyncio.to_thread(self._consumer.close)
