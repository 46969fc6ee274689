"""The history of many nodes: a stream of Redis for each destination.

Promises beyond those of `HistoryStore`:

- *One step*: position, entry and, where the bus is the same Redis, publication are one script; nodes that append to the
  same destination get one count, and all see the entries in its order.
- *Once*: an append whose connection broke is sent again, and found by its token if it was done. Only where it was not
  kept, or a thousand others came after it, can it count twice. What Redis does not take in time raises `BusError`.
- *A count that went back* ends the epoch: a new master, or a snapshot, may not know the newest positions. Each node
  remembers those that it was given, and holds them against the server as soon as that is another one, within about a
  second.
- *Time* is the server's.
- *Bounds* hold for all nodes together. On a cluster each bucket has its part of them, so that a destination may be
  evicted when its bucket is full. Of a destination an eighth more than its count may stand in Redis; nobody sees it.
- *Memory of Redis*: histories have no expiry, so that ``noeviction`` and the ``volatile-`` policies never take one.
  Where another policy takes a key, its history is not complete any more, or begins anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar, final

from stompede.errors import BusError, ConfigurationError
from stompede.redis.address import Kind, RedisAddress
from stompede.store.history import HistoryStatistics, Page, Position
from stompede.store.limits import History
from stompede.store.redis_calls import RedisCalls, calling_client
from stompede.store.redis_history_lua import APPEND, READ, TIDY
from stompede.store.redis_history_parts import Buckets, Given, Known, Pages, RedisHistoryLimits

T = TypeVar("T")
_BUCKETS: Final = 64
_TIDIED_AT_ONCE: Final = 8


@final
class RedisHistory(Generic[T]):
    """See the module, and `HistoryStore` for the promises. It connects with its first call.

    Args:
        address: where Redis is.
        dump: makes an item bytes; a JSON object where ``channel_of`` is given.
        load: makes these bytes an item again.
        namespace: stands before every key; without braces.
        channel_of: where the bus is this very Redis, and no cluster: the channel of a destination. Each append then
            publishes there what ``dump`` gave, with the position as its last member, ``"id"``.
        limits: what is kept, and what may wait.
        buckets: parts that the destinations are divided into. By default 64 on a cluster, so that it spreads over its
            servers, else 1. The same on every node.
        new_epoch: makes epochs; each is different from all before, digits and the letters a to f.

    Raises:
        ConfigurationError: braces in the namespace, or a channel on a cluster.
    """

    shared = True

    def __init__(
        self,
        address: RedisAddress,
        dump: Callable[[T], bytes],
        load: Callable[[bytes], T],
        *,
        namespace: str = "stompede:",
        channel_of: Callable[[str], bytes] | None = None,
        limits: RedisHistoryLimits | None = None,
        buckets: int | None = None,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(5),
    ) -> None:
        if "{" in namespace or "}" in namespace:
            raise ConfigurationError(f"namespace: {namespace!r}: braces have a meaning in keys of Redis")
        if channel_of is not None and address.kind is Kind.CLUSTER:
            raise ConfigurationError(
                "history: on a cluster the node publishes, not the script: no channel_of"
            )
        self.carries = channel_of is not None
        self._dump = dump
        self._load = load
        self._channel_of = channel_of
        self._new_epoch = new_epoch
        self._limits = limits = limits or RedisHistoryLimits()
        self._buckets = Buckets(
            namespace, buckets or (_BUCKETS if address.kind is Kind.CLUSTER else 1), limits
        )
        self._client = calling_client(address)
        self._writing, self._reading = (
            RedisCalls(self._client, str(address), limits.max_wait_s, limits.max_waiting_bytes)
            for _ in range(2)
        )
        self._token = secrets.token_hex(4)
        self._given = Given(limits.max_known)
        self._runs: dict[
            int, bytes
        ] = {}  # of each bucket; empty: what was given is to be held against it again
        self._tidying = self._tidied_last = 0
        self._appends = self._appended = self._read = self._unreachable = self._evicted = 0

    def append(
        self,
        destination: str,
        item: T,
        size_bytes: int,
        limits: History,
        now: float,  # noqa: ARG002 - Redis has the time
    ) -> Awaitable[Position]:
        """Appends an item; see `HistoryStore`.

        Raises:
            BusError: closed, or too much waits already. From the awaitable: Redis did not take it in time; the sentence
                says where it is not known whether it did.
        """
        name = _encoded(destination)
        data = self._dump(item)
        self._appends += 1
        args = (
            *self._asking(name),
            data,
            f"{self._token}{self._appends:x}",
            b"" if self._channel_of is None else self._channel_of(destination),
            size_bytes,
            limits.count,
            limits.size_bytes,
            b"" if limits.age_s is None else round(limits.age_s * 1_000_000),
            *self._buckets.bounds,
        )
        bucket = self._buckets.of(name)
        keys = self._buckets.keys(bucket, name)
        return self._writing.call(APPEND, keys, name, args, partial(self._placed, bucket, name), len(data))

    def read(self, destination: str, after: Position, limit: int, now: float) -> Awaitable[Page[T]]:  # noqa: ARG002
        """What came after a position; see `HistoryStore`."""
        return self._ask(Pages(_encoded(destination), after.epoch, after.offset, limit))

    def last(self, destination: str, limit: int, now: float) -> Awaitable[Page[T]]:  # noqa: ARG002
        """The newest items; see `HistoryStore`."""
        return self._ask(Pages(_encoded(destination), "", -1, limit, back=True))

    def key_of(self, destination: str) -> str:
        """A key of a destination, to see on which server of a cluster it is."""
        name = _encoded(destination)
        return self._buckets.keys(self._buckets.of(name), name)[0].decode(errors="surrogatepass")

    def tidy(self, now: float) -> None:  # noqa: ARG002
        """Lets histories go that are idle for too long, and sees whether the server is another one."""
        if self._tidying:
            return  # Redis is away, or slow
        for _ in range(min(_TIDIED_AT_ONCE, self._buckets.count)):
            bucket = self._tidied_last = (self._tidied_last + 1) % self._buckets.count
            args = (*self._asking(b""), self._buckets.bounds[-1])
            keys = self._buckets.keys(bucket, b"")
            try:
                tidied = self._reading.call(TIDY, keys, b"", args, partial(self._tidied, bucket))
            except BusError:
                return  # closed
            tidied.add_done_callback(self._has_tidied)
            self._tidying += 1

    def statistics(self) -> HistoryStatistics:
        """Figures of now and since the start."""
        return HistoryStatistics(
            None, None, None, self._appended, self._read, self._unreachable, self._evicted
        )

    async def aclose(self) -> None:
        """Disconnects; what waits is refused. Idempotent."""
        await self._writing.aclose()
        await self._reading.aclose()
        await self._client.aclose()

    # What Redis answers.

    def _placed(self, bucket: int, name: bytes, answer: list[Any]) -> Position:
        epoch, offset, run, evicted = answer
        self._appended += 1
        self._evicted += evicted
        self._given.learn(name, Known(epoch, offset, run))
        self._see_run(bucket, run)
        return Position(epoch.decode(), offset)

    def _tidied(self, bucket: int, answer: list[Any]) -> None:
        run, evicted = answer
        self._evicted += evicted
        self._see_run(bucket, run)

    def _has_tidied(self, _: object) -> None:
        self._tidying -= 1

    def _ask(self, pages: Pages[T]) -> Awaitable[Page[T]]:
        bucket = self._buckets.of(pages.name)
        keys = self._buckets.keys(bucket, pages.name)
        args = (*self._asking(pages.name), *pages.args())
        answered = self._reading.call(READ, keys, pages.name, args, partial(self._answered, bucket, pages))
        answered.add_done_callback(partial(self._asked, bucket, pages))
        return pages.done

    def _answered(self, bucket: int, pages: Pages[T], answer: list[Any]) -> None:
        epoch, top, run, complete, _, *items = answer
        self._given.learn(pages.name, Known(epoch, top, run))
        self._see_run(bucket, run)
        self._read += len(items)
        self._unreachable += not complete
        if pages.take(answer, self._load):
            self._ask(pages)

    def _asked(self, bucket: int, pages: Pages[T], answered: asyncio.Future[None]) -> None:
        error = answered.exception()
        if error is not None:
            self._runs[bucket] = b""
            pages.fail(error)

    # Whether a count went back.

    def _asking(self, name: bytes) -> tuple[Any, ...]:
        """What every script is told of who asks."""
        known = self._given.of(name)
        return self._new_epoch(), known.epoch, known.offset, known.run

    def _see_run(self, bucket: int, run: bytes) -> None:
        """Another server, or one that began anew: what this node was given before is held against what that knows."""
        was = self._runs.get(bucket)
        self._runs[bucket] = run
        if was is not None and was != run:
            for name in self._given.by_other_runs(run):
                if self._buckets.of(name) == bucket:
                    with contextlib.suppress(BusError):  # too much waits: asked again with what fails
                        self._ask(Pages(name, "", -1, 0, back=True))


def _encoded(destination: str) -> bytes:
    return destination.encode(errors="surrogatepass")
