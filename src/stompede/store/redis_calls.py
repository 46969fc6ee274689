"""Calls of scripts on Redis, in order: those of one turn of the event loop leave in one pipeline.

While a pipeline is on its way, what is called waits for the next one, so a slow server sees larger pipelines, not
more. A call that Redis did not take is sent again until its time is over: where the connection broke, or the server is
a replica, or still loads. Where nobody knows whether it was done, it has the flag ``a`` (again), and the script looks.
The first call of a pipeline on each of its last keys has the flag ``f``: one connection, so one server, takes them all.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, final

import hiredis
import structlog
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stompede._traceback import traceback_of
from stompede.errors import BusError
from stompede.redis import RedisAddress
from stompede.store.redis_history_lua import Script

log = structlog.get_logger("stompede.store.redis")
_AT_ONCE: Final = 500
_AT_ONCE_BYTES: Final = 4 << 20
_BACKOFF_S: Final = (0.05, 1.0)  # first and longest pause between attempts
_LOST: Final = (RedisConnectionError, RedisTimeoutError, OSError, RedisClusterException)
_NOT_TAKEN: Final = (
    NoScriptError,
    ReadOnlyError,
    BusyLoadingError,
    TryAgainError,
    ClusterDownError,
    MasterDownError,
)

Answer = Any
"""What hiredis makes of a reply."""


class _Call:
    """A script on its way. ``done`` gets what ``finish`` makes of the answer."""

    __slots__ = ("again", "args", "done", "finish", "keys", "name", "script", "since", "size_bytes")

    def __init__(
        self,
        script: Script,
        keys: Sequence[bytes],
        name: bytes,
        args: Sequence[Any],
        finish: Callable[[Answer], Any],
        done: asyncio.Future[Any],
        since: float,
        size_bytes: int,
    ) -> None:
        self.script = script
        self.keys = keys
        self.name = name
        self.args = args
        self.finish = finish
        self.done = done
        self.since = since
        self.size_bytes = size_bytes
        self.again = False


@final
class RedisCalls:
    """A lane of calls: one pipeline at a time, in the order of `call`.

    Args:
        client: gives ``bytes``, and sends nothing twice by itself (`calling_client`).
        where: names the servers, for sentences.
        max_wait_s: how long a call may wait for a server that takes it.
        max_waiting_bytes: how much may wait.
    """

    def __init__(
        self, client: Redis | RedisCluster, where: str, max_wait_s: float, max_waiting_bytes: int
    ) -> None:
        self._client = client
        self._where = where
        self._max_wait_s = max_wait_s
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: deque[_Call] = deque()
        self._waiting_bytes = 0
        self._whole = True  # the next pipeline carries the text of the scripts
        self._pause_s = 0.0
        self._at_once = _AT_ONCE
        self._attempt = 0  # one more with each connection that broke
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def call(
        self,
        script: Script,
        keys: Sequence[bytes],
        name: bytes,
        args: Sequence[Any],
        finish: Callable[[Answer], Any],
        size_bytes: int = 0,
    ) -> asyncio.Future[Any]:
        """Calls a script at the end of this turn of the loop, after what was called before.

        Args:
            script: the script.
            keys: its keys, all of one slot.
            name: of what is called: calls of one name keep their order, or fail.
            args: its arguments behind the flags and the name.
            finish: makes the answer what is given.
            size_bytes: how much it takes of what may wait.

        Raises:
            BusError: closed, or too much waits already. From the future: Redis did not take it, or nobody knows.
        """
        if self._closed:
            raise BusError("the history is closed")
        if self._waiting and self._waiting_bytes + size_bytes > self._max_waiting_bytes:
            raise BusError(
                f"{self._waiting_bytes} bytes wait for {self._where} already, {self._max_waiting_bytes} may: it is away"
                " or does not keep up"
            )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(_Call(script, keys, name, args, finish, done, loop.time(), size_bytes))
        self._waiting_bytes += size_bytes
        if self._task is None:
            self._task = loop.create_task(self._send_all(), name="stompede redis calls")
        return done

    async def aclose(self) -> None:
        """Refuses what waits. Idempotent."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        while self._waiting:
            self._refuse(self._waiting.popleft(), BusError("the history is closed"))

    async def _send_all(self) -> None:
        batch: list[_Call] = []
        try:
            while self._waiting:
                batch = self._next_batch()
                if not batch:
                    continue
                error = await self._send(batch)
                batch = []
                if error is None:
                    self._pause_s = 0.0
                else:
                    await self._pause(error)
        finally:
            for call in batch:
                self._refuse(call, BusError("the history was closed; whether Redis took it is not known"))
            self._task = None

    def _next_batch(self) -> list[_Call]:
        batch: list[_Call] = []
        size = 0
        while self._waiting and len(batch) < self._at_once and (not batch or size < _AT_ONCE_BYTES):
            call = self._waiting.popleft()
            if call.done.cancelled():
                self._waiting_bytes -= call.size_bytes  # nobody wants it any more
            else:
                size += call.size_bytes
                batch.append(call)
        return batch

    async def _send(self, batch: list[_Call]) -> Exception | None:
        """Gives why some of it has to be sent again: those wait again, in front."""
        try:
            answers = await self._execute(batch)
        except _LOST as error:
            self._broke(batch)
            self._at_once = max(1, len(batch) // 2)  # too much for the server's time, or for the line?
            self._wait_again(batch, error)
            return error
        except Exception as error:  # of the client itself: nothing says that it would pass
            log.error("calls of redis failed", where=self._where, exception=traceback_of(error))
            for call in batch:
                self._refuse(call, self._error(error, known=False))
            return error
        self._at_once = min(self._at_once * 2, _AT_ONCE)
        taken: set[bytes] = set()
        again: list[_Call] = []
        lost: list[_Call] = []
        reason: Exception | None = None
        for call, answer in zip(reversed(batch), reversed(answers), strict=True):
            if not isinstance(answer, Exception):
                taken.add(call.name)
                self._finish(call, answer)
            elif isinstance(answer, _LOST) or (isinstance(answer, _NOT_TAKEN) and call.name not in taken):
                again.append(call)
                if isinstance(answer, _LOST):
                    lost.append(call)
                reason = answer
            else:
                self._refuse(call, self._error(answer))
        if reason is not None:
            again.reverse()
            self._whole = isinstance(reason, NoScriptError)
            if lost:
                self._broke(lost)
            self._wait_again(again, reason)
        return reason

    def _broke(self, calls: list[_Call]) -> None:
        """Nobody knows whether they were done, or will be, should they arrive later than what is sent next."""
        self._attempt += 1
        for call in calls:
            call.again = True

    async def _execute(self, batch: list[_Call]) -> list[Any]:
        commands: list[tuple[Any, ...]] = []
        seen: set[bytes] = set()
        for call in batch:
            flags = f"{self._attempt}{'' if call.keys[-1] in seen else 'f'}{'a' if call.again else ''}"
            seen.add(call.keys[-1])
            script = ("EVAL", call.script.source) if self._whole else ("EVALSHA", call.script.sha)
            commands.append((*script, len(call.keys), *call.keys, flags, call.name, *call.args))
        if isinstance(self._client, RedisCluster):
            pipeline = self._client.pipeline()
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = await pipeline.execute(raise_on_error=False)
        else:
            answers = await _exchange(self._client, commands)
        self._whole = False
        return answers

    def _wait_again(self, calls: list[_Call], error: Exception) -> None:
        """Those whose time is not over wait again, before all others."""
        oldest = asyncio.get_running_loop().time() - self._max_wait_s
        for call in reversed(calls):
            if call.since > oldest:
                self._waiting.appendleft(call)
            else:
                self._refuse(call, self._error(error, known=not call.again))

    async def _pause(self, error: Exception) -> None:
        if isinstance(error, NoScriptError):
            return
        first, longest = _BACKOFF_S
        if not self._pause_s:
            log.warning("redis lost", where=self._where, reason=str(error))
        self._pause_s = min(max(first, self._pause_s * 2), longest)
        await self._reconnect()
        await asyncio.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads nodes, no secret

    async def _reconnect(self) -> None:
        """The next attempt asks anew where the servers are."""
        if isinstance(self._client, RedisCluster):
            await self._client.aclose()
        else:
            await self._client.connection_pool.disconnect(inuse_connections=False)

    def _finish(self, call: _Call, answer: Answer) -> None:
        self._waiting_bytes -= call.size_bytes
        try:
            result = call.finish(answer)
        except Exception as error:
            _fail(call.done, error)
        else:
            if not call.done.done():
                call.done.set_result(result)

    def _refuse(self, call: _Call, error: BusError) -> None:
        self._waiting_bytes -= call.size_bytes
        _fail(call.done, error)

    def _error(self, error: Exception, *, known: bool = True) -> BusError:
        return BusError(
            _sentence(error, self._where) + ("" if known else "; whether it took it is not known")
        )


async def _exchange(client: Redis, commands: list[tuple[Any, ...]]) -> list[Any]:
    """What a pipeline of the client does, for half of its CPU time: it packs each argument in Python."""
    pool: Any = client.connection_pool  # a part of it has no types
    connection = await pool.get_connection()
    answers: list[Any] = []
    try:
        await connection.send_packed_command([b"".join([hiredis.pack_command(one) for one in commands])])
        for _ in commands:
            try:
                answers.append(await connection.read_response())
            except ResponseError as error:
                answers.append(error)
    except BaseException:
        await connection.disconnect(nowait=True)  # answers may still come
        raise
    finally:
        await pool.release(connection)
    return answers


def _fail(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()  # somebody may wait for it, or nobody


def calling_client(address: RedisAddress) -> Redis | RedisCluster:
    """A client that sends nothing twice by itself."""
    client = address.client()
    client.set_retry(Retry(NoBackoff(), 0))
    return client


def _sentence(error: Exception, where: str) -> str:
    """What is wrong, for who operates."""
    if isinstance(error, OutOfMemoryError):
        return f"{where} has no memory left: raise its maxmemory, or keep less history"
    if isinstance(error, ReadOnlyError):
        return f"{where} takes no writes: it is a replica"
    if isinstance(error, BusyLoadingError):
        return f"{where} is loading what it had"
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return f"{where} does not answer"
    if isinstance(error, RedisConnectionError | OSError):
        return f"no connection to {where}: {error}"
    return f"{where} refused: {error}"
