"""The queues of many nodes, in Redis."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar, final

import structlog
from redis.asyncio import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from stompede.errors import BusError, ConfigurationError
from stompede.redis.address import RedisAddress
from stompede.store.queues import Entry, Length, QueueStoreStatistics, Refusal, Refused, Taken
from stompede.store.redis_queue_turns import ATTEMPT_S, Bounds, Turns, end

T = TypeVar("T")
log = structlog.get_logger("stompede.queues.redis")

_NOTHING: Final = Length(0, 0, 0)
_ID: Final = re.compile(r"\d{1,18}-\d{1,18}").fullmatch
_FULL: Final = {"full": Refusal.FULL, "no-room": Refusal.NO_ROOM, "no-bytes": Refusal.NO_BYTES}
_NO_MEMORY: Final = "no-memory"
_LOOK_S: Final = 1.0  # how often a node speaks, and looks at queues of which nobody may have told it
_LOOKED_AT: Final = 256  # queues that are looked at each time, in turn
_WAKE_WAIT_S: Final = 1  # below the time after which a silent connection counts as broken
_WAKE_PAUSE_S: Final = 0.002  # so a stream of messages wakes a node 500 times a second at most
_LEAVE_S: Final = 2.0


@final
class RedisQueues(Generic[T]):
    """Queues that nodes share; the promises are those of `QueueStore`.

    Each queue is a Redis stream with one consumer group, in which each node is a consumer. Whatever a node wants in one
    turn of its event loop is one script, hence one step for everybody else. What is settled leaves the stream.

    On a cluster all queues of a namespace stand in one slot, and so on one shard: a transaction over several queues,
    the bounds of all queues, and the look for dead nodes are one step each, which Redis Cluster has for one slot alone.
    Give applications namespaces of their own where one shard is not enough for all their queues.

    What it returned ``None`` for has been done by the master. Whether that survives the server is the server's
    setting: ``appendonly yes`` with ``appendfsync always`` loses nothing; a replica that takes over may lack the last
    moment. The server must not evict keys (``maxmemory-policy noeviction``): beyond ``maxmemory`` messages are refused.

    A node that says nothing for ``dead_after_s``, by the server's clock, counts as dead: what it had taken waits again,
    with its deliveries counted. One that only seemed dead can settle no more what it had. While the server itself was
    away nobody dies.

    Args:
        address: where Redis is, 6.2 or newer.
        encode: makes bytes from an item.
        decode: makes an item from bytes; it may meet what another version of the program wrote.
        node: id of this node, unique among all, another one at every boot.
        namespace: what keys begin with; without braces.
        max_queues: queues that may hold messages at once, of all nodes. The same on all of them.
        max_bytes: bytes of the messages of all queues together. The same on all nodes.
        dead_after_s: after so long a silence a node is dead.
        patience_s: after so long without an answer of the server a call fails with `BusError`.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        encode: Callable[[T], bytes],
        decode: Callable[[bytes], T],
        node: str,
        namespace: str = "stompede:queues",
        max_queues: int = 10_000,
        max_bytes: int = 256 * 1024 * 1024,
        dead_after_s: float = 15.0,
        patience_s: float = 5.0,
    ) -> None:
        if not namespace or "{" in namespace or "}" in namespace:
            raise ConfigurationError(f"{namespace!r} names no queues in Redis: any text without braces does")
        if len(node) < 2:
            raise ConfigurationError(f"{node!r} is no id of a node: take one that is new at every boot")
        self._encode = encode
        self._decode = decode
        self._client = address.client(bounded=False)
        self._client.set_retry(Retry(NoBackoff(), 0))  # who retries here knows what must not be done twice
        self._key = f"{{{namespace}}}"
        self._wake_key = f"{self._key}:wake:{node}"
        bounds = Bounds(max_queues, max_bytes, dead_after_s)
        self._turns = Turns(
            self._client, str(address), self._key, node, bounds, patience_s, self._tell, self._watch_all
        )
        self._look_s = min(_LOOK_S, dead_after_s / 4)
        self._waiting: Callable[[str], None] | None = None
        self._watched: dict[str, None] = {}
        self._to_look_at: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._appended = self._refused = self._dropped = self._settled = self._given_back = 0

    async def start(self, waiting: Callable[[str], None]) -> None:
        """See `QueueStore.start`.

        Raises:
            BusError: Redis is not there, or does not let us in.
        """
        self._waiting = waiting
        try:
            await self._turns.start(["look_after"])
        except BaseException:
            await self._client.aclose()
            raise
        await self._check_eviction()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._look(), name="stompede queues: look"),
            loop.create_task(self._listen(), name="stompede queues: listen"),
        ]

    async def _check_eviction(self) -> None:
        """Says so where the server would throw queues away. A server that does not tell is believed."""
        try:
            async with asyncio.timeout(ATTEMPT_S):
                if isinstance(self._client, RedisCluster):
                    node = self._client.get_node_from_key(self._key)
                    found = await self._client.info("memory", target_nodes=node)
                else:
                    found = await self._client.info("memory")
        except (RedisError, OSError):
            return
        policy = str(found.get("maxmemory_policy", ""))
        if found.get("maxmemory") and policy.startswith("allkeys"):
            log.warning("Redis evicts keys when its memory is full, and queues are keys", policy=policy)

    def append(
        self, entries: Sequence[Entry[T]], settled: Sequence[tuple[str, str]] = (), *, now: float
    ) -> Awaitable[Refused | None]:
        """See `QueueStore.append`.

        Raises:
            BusError: nothing is done, or it is not known.
        """
        if not self._turns.open:
            raise BusError("the queues are not started: publish after the application has started")
        items = [self._encode(entry.item) for entry in entries]
        self._turns.check_room(sum(map(len, items)))
        done = [each for each in settled if _ID(each[1])]
        words = ["append", [_words(entry, now) for entry in entries], done]
        return self._turns.ask(words, partial(self._outcome, len(entries)), items=items)

    def _outcome(self, count: int, value: Sequence[Any]) -> Refused | BusError | None:
        why = value[0].decode()
        if why:
            self._refused += count
            if why == _NO_MEMORY:
                return BusError("Redis has no memory left for messages (maxmemory)")
            return Refused(value[1].decode(), _FULL[why])
        self._appended += count
        self._dropped += value[2]
        self._settled += value[3]
        return None

    def watch(self, queue: str) -> Awaitable[None] | None:
        """See `QueueStore.watch`. Where the awaitable fails, the wish stands nevertheless."""
        self._watched[queue] = None
        return self._turns.ask(["watch", [queue]]) if self._turns.open else None

    def unwatch(self, queue: str) -> None:
        """See `QueueStore.unwatch`."""
        if queue in self._watched:
            del self._watched[queue]
            if self._turns.open:
                self._turns.post(["unwatch", queue])

    def take(
        self, queue: str, count: int, *, now: float
    ) -> Sequence[Taken[T]] | Awaitable[Sequence[Taken[T]]]:
        """See `QueueStore.take`."""
        if not self._turns.open:
            return ()
        return self._turns.ask(
            ["take", queue, count],
            lambda found: [one for _, one in self._taken(found, now)],
            unwanted=lambda taken: self._put_back(queue, [one.id for one in taken]),
        )

    def take_expired(
        self, count: int, *, now: float
    ) -> Sequence[tuple[str, Taken[T]]] | Awaitable[Sequence[tuple[str, Taken[T]]]]:
        """See `QueueStore.take_expired`."""
        if not self._turns.open:
            return ()
        return self._turns.ask(
            ["take_expired", count, now], partial(self._taken, now=now), unwanted=self._put_back_all
        )

    def _taken(self, found: Sequence[Sequence[Any]], now: float) -> list[tuple[str, Taken[T]]]:
        taken = []
        for queue, message_id, count, ends_at, data in found:
            try:
                item = self._decode(data)
            except Exception as error:
                # Another version may read it: it stays taken, and waits again when this node ends.
                log.error(
                    "a message cannot be read",
                    queue=queue.decode(),
                    id=message_id.decode(),
                    reason=str(error),
                )
                continue
            deliveries, redelivered = divmod(count - 1, 2)
            expired = bool(ends_at) and float(ends_at) <= now
            one = Taken(message_id.decode(), item, deliveries + 1, expired, bool(redelivered))
            taken.append((queue.decode(), one))
        return taken

    def _put_back(self, queue: str, ids: Sequence[str]) -> None:
        """Who asked for them is cancelled."""
        if ids and self._turns.open:
            self._turns.post(["give_back", queue, ids, False, False], lasting=True)

    def _put_back_all(self, taken: Sequence[tuple[str, Taken[T]]]) -> None:
        for queue, one in taken:
            self._put_back(queue, [one.id])

    def settle(self, queue: str, ids: Sequence[str]) -> Awaitable[None] | None:
        """See `QueueStore.settle`. Where the awaitable fails, it is done when Redis is back."""
        known = [name for name in ids if _ID(name)]
        if not (known and self._turns.open):
            return None
        return self._turns.ask(["settle", queue, known], self._count_settled, lasting=True)

    def _count_settled(self, count: int) -> None:
        self._settled += count

    def give_back(
        self, queue: str, ids: Sequence[str], *, delivered: bool, counted: bool = True
    ) -> Awaitable[None] | None:
        """See `QueueStore.give_back`. Where the awaitable fails, it is done when Redis is back."""
        known = [name for name in ids if _ID(name)]
        if not (known and self._turns.open):
            return None
        words = ["give_back", queue, known, delivered, counted]
        return self._turns.ask(words, self._count_given_back, lasting=True)

    def _count_given_back(self, count: int) -> None:
        self._given_back += count

    def delete(self, queue: str) -> Awaitable[None] | None:
        """See `QueueStore.delete`. Where the awaitable fails, it is done when Redis is back."""
        return self._turns.ask(["delete", queue], _none, lasting=True) if self._turns.open else None

    def length(self, queue: str) -> Length | Awaitable[Length]:
        """See `QueueStore.length`."""
        if not self._turns.open:
            return _NOTHING
        return self._turns.ask(["length", queue], lambda value: Length(*value))

    def statistics(self) -> QueueStoreStatistics:
        """See `QueueStore.statistics`. What all queues hold is as the last answer of Redis said."""
        totals = self._turns.totals
        return QueueStoreStatistics(
            queues=totals.queues,
            waiting=totals.waiting,
            taken=totals.taken,
            size_bytes=totals.size_bytes,
            appended=self._appended,
            refused=self._refused,
            dropped=self._dropped,
            settled=self._settled,
            given_back=self._given_back,
        )

    async def aclose(self) -> None:
        """Disconnects; what this node has taken waits again, without counting. Idempotent."""
        self._waiting = None
        totals = self._turns.totals
        await self._end_tasks()
        await self._turns.aclose(["leave"], _LEAVE_S)
        self._turns.totals = totals
        self._watched.clear()
        await self._client.aclose()

    async def abort(self) -> None:
        """Ends as a process that is killed: nobody is told. For tests of what happens then."""
        self._waiting = None
        await self._end_tasks()
        await self._turns.abort()
        await self._client.aclose()

    async def _end_tasks(self) -> None:
        tasks, self._tasks = self._tasks, []
        await end(*tasks)

    # Who is told that messages wait.

    def _tell(self, queue: str) -> None:
        if self._waiting is None:
            return
        if queue in self._watched:
            self._waiting(queue)
        else:
            self._turns.post(["unwatch", queue])  # that may have been lost

    def _watch_all(self) -> None:
        """The server has forgotten what this node watches."""
        names = list(self._watched)
        for first in range(0, len(names), _LOOKED_AT):
            self._turns.post(["watch", names[first : first + _LOOKED_AT]])

    async def _look(self) -> None:
        """Lives, buries the dead, and looks at queues: a call to wake up may have been lost."""
        while True:
            await asyncio.sleep(self._look_s)
            if not self._to_look_at:
                self._to_look_at = list(self._watched)
            portion, self._to_look_at = self._to_look_at[:_LOOKED_AT], self._to_look_at[_LOOKED_AT:]
            self._turns.post(["look_after"])
            names = [name for name in portion if name in self._watched]
            if names:
                self._turns.post(["watch", names])

    async def _listen(self) -> None:
        """Waits for calls of other nodes to wake up."""
        while True:
            try:
                async with asyncio.timeout(_WAKE_WAIT_S + ATTEMPT_S):
                    first = await self._client.execute_command("BZPOPMIN", self._wake_key, _WAKE_WAIT_S)
                    if first is None:
                        continue
                    more = await self._client.zpopmin(self._wake_key, _LOOKED_AT)
            except (RedisError, OSError) as error:  # TimeoutError is an OSError
                log.debug("nobody can wake the queues", reason=str(error))
                await asyncio.sleep(self._look_s)
                continue
            for name in (first[1], *(each[0] for each in more)):
                self._tell(name.decode())
            await asyncio.sleep(_WAKE_PAUSE_S)


def _none(value: Any) -> None:  # noqa: ARG001 - what there is to know of it is that it was done
    return None


def _words(entry: Entry[Any], now: float) -> tuple[Any, ...]:
    """A message as the script wants it, without its item."""
    limits = entry.limits
    ends_at = False if limits.ttl_s is None else now + limits.ttl_s
    drops = limits.full == "drop-oldest"
    bounds = (limits.max_messages, limits.max_bytes)
    return (entry.queue, entry.size_bytes, *bounds, ends_at, drops, entry.asked_for)
