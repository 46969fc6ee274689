"""The bus of many nodes on one topic of Kafka, which every node reads as a whole.

Promises beyond those of `Bus`:

- *Order*: a channel is the key of its records, so all of a channel stand in one partition, in the order in which the
  broker took them.
- *Delivery*: at most once from the moment of the start. A broker that restarts loses nothing: the node reads on
  where it was. Where records were deleted before this node came to read them, ``interrupted`` is called.
- *Others may write*: a record without a key is brought to every node, which finds its channel in its bytes. It has no
  place in the order of other partitions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, final

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from stompede.bus.base import BusStatistics
from stompede.bus.kafka.address import KafkaAddress
from stompede.bus.kafka.consuming import Reader, Record
from stompede.bus.kafka.limits import KafkaBusLimits
from stompede.bus.kafka.producing import Sender
from stompede.errors import BusError

log = structlog.get_logger("stompede.bus.kafka")
T = TypeVar("T")
_ADMIN_S = 5.0


@final
class KafkaBus(Generic[T]):
    """See the module, and `Bus` for the promises.

    Args:
        address: where Kafka is, and which topic. A topic that does not exist is made with the broker's defaults.
        dump: makes an item bytes.
        load: makes bytes an item again; raises `ValueError` where they are none. Such bytes are counted and left out.
        channel_of: the channel of an item whose record names none.
        limits: what may wait.
    """

    def __init__(
        self,
        address: KafkaAddress,
        dump: Callable[[T], bytes],
        load: Callable[[bytes], T],
        channel_of: Callable[[T], str],
        *,
        limits: KafkaBusLimits | None = None,
    ) -> None:
        self._address = address
        self._dump = dump
        self._load = load
        self._channel_of = channel_of
        self._limits = limits or KafkaBusLimits()
        self._deliver: Callable[[T], None] | None = None
        self._interrupted: Callable[[], None]
        self._sender: Sender | None = None
        self._reader: Reader | None = None
        self._names: set[str] = set()
        self._prefixes: tuple[str, ...] = ()
        self._connected = False
        self._delivered = self._failed = self._unreadable = self._interruptions = 0

    async def start(
        self, deliver: Callable[[T], None], interrupted: Callable[[], None] = lambda: None
    ) -> None:
        """Finds the end of the topic, and reads from there. See `Bus.start`.

        Raises:
            BusError: there is no Kafka, or it does not let us in.
        """
        self._interrupted = interrupted
        options = {
            **self._address.options(), "log_level": 0, "reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 1000,
            "error_cb": self._on_error, "client.id": "stompede",
        }  # fmt: skip
        self._reader = Reader(
            self._address, options, wanted=self._wanted, bring=self._bring, interrupted=self._was_interrupted
        )
        try:
            await asyncio.to_thread(self._find_topic, options)
        except KafkaException as error:
            await self._reader.aclose()
            raise BusError(f"no Kafka for the bus at {self._address}: {_said(error)}") from None
        self._deliver = deliver
        self._sender = Sender(self._address, self._limits, options)
        self._connected = True
        self._reader.start()

    def _find_topic(self, options: dict[str, Any]) -> None:
        assert self._reader is not None
        admin = AdminClient(options)
        topics = admin.list_topics(timeout=_ADMIN_S).topics
        if self._address.topic not in topics:
            made = admin.create_topics([NewTopic(self._address.topic, -1, -1)], operation_timeout=_ADMIN_S)
            try:
                made[self._address.topic].result(_ADMIN_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # by another node, just now
                    raise
        self._reader.seek_end()

    def _on_error(self, error: KafkaError) -> None:  # on a thread
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._connected = False
            log.warning("kafka is away", reason=error.str())

    def publish(self, channel: str, item: T) -> Awaitable[None] | None:
        """Takes an item; see `Bus.publish`.

        Raises:
            BusError: the bus is not started or closed, the item is too large, or too much waits already.
        """
        if self._deliver is None or self._sender is None:
            self._failed += 1
            raise self._not_started("publish")
        return self._sender.publish(channel, self._dump(item))

    def want(self, channel: str) -> Awaitable[None] | None:
        """See `Bus.want`; everything is read anyway."""
        self._check_started()
        self._names.add(channel)
        return None

    def unwant(self, channel: str) -> None:
        """See `Bus.unwant`."""
        self._names.discard(channel)

    def want_prefix(self, prefix: str) -> Awaitable[None] | None:
        """See `Bus.want_prefix`; everything is read anyway."""
        self._check_started()
        if prefix not in self._prefixes:
            self._prefixes += (prefix,)
        return None

    def unwant_prefix(self, prefix: str) -> None:
        """See `Bus.unwant_prefix`."""
        self._prefixes = tuple(each for each in self._prefixes if each != prefix)

    def _wanted(self, channel: str) -> bool:
        return channel in self._names or channel.startswith(self._prefixes)

    def _bring(self, records: Sequence[Record]) -> None:
        self._connected = True
        for channel, data in records:
            deliver = self._deliver
            if deliver is None:
                return
            try:
                item = self._load(data)
            except ValueError as error:
                self._unreadable += 1
                log.debug(
                    "a record is no message", reason=str(error)[:200]
                )  # others write them, as many as they like
                continue
            if channel is not None or self._wanted(self._channel_of(item)):
                self._delivered += 1
                deliver(item)

    def _was_interrupted(self) -> None:
        self._interruptions += 1
        self._interrupted()

    def statistics(self) -> BusStatistics:
        """Figures of now and since the start."""
        sender = self._sender
        if sender is None:
            return BusStatistics(0, 0, 0, self._failed, connected=False)
        return BusStatistics(
            published=sender.published,
            delivered=self._delivered,
            channels=len(self._names) + len(self._prefixes),
            failed=sender.failed + self._failed,
            connected=self._connected,
            interruptions=self._interruptions,
            waiting=sender.waiting,
            waiting_bytes=sender.waiting_bytes,
            unreadable=self._unreadable,
        )

    async def aclose(self) -> None:
        """See `Bus.aclose`: what waits is refused."""
        self._deliver = None
        if self._sender is not None:
            await self._sender.aclose()
        if self._reader is not None:
            await self._reader.aclose()
        self._names.clear()
        self._prefixes = ()

    def _check_started(self) -> None:
        if self._deliver is None:
            raise self._not_started("subscribe")

    @staticmethod
    def _not_started(what: str) -> BusError:
        return BusError(
            f"the bus is not started: {what} after the application has started, or in its lifespan"
        )


def _said(error: KafkaException) -> str:
    cause = error.args[0] if error.args else error
    return cause.str() if isinstance(cause, KafkaError) else str(cause)
