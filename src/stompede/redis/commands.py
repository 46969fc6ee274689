"""Commands and scripts for what stands in Redis: what comes meanwhile leaves together, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Sequence
from itertools import count
from typing import Any, Final, NamedTuple, TypeAlias, final

from redis.exceptions import (
    AskError,
    ClusterError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisClusterException,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stompede.errors import BusError
from stompede.redis.address import RedisAddress

Arg: TypeAlias = bytes | str | int
"""What a command is made of."""

_BATCH: Final = 200  # calls of one pipeline
_WAITING_MOST: Final = 20_000
_ATTEMPT_S: Final = 2.0  # then the connection is given up: its other end may be gone without a word
_AGAIN_S: Final = 0.1  # pause before a server that takes no writes at the moment is asked again
_CLOSED: Final = "the connection to Redis was closed"
_LOST: Final = (  # where another attempt may reach a master
    RedisConnectionError, RedisTimeoutError, ReadOnlyError, ClusterError, TryAgainError, AskError,
    RedisClusterException, OSError,
)  # fmt: skip
_AGAIN: Final = (*_LOST, NoScriptError)

# A script whose answer is kept for a while: where the connection broke before the answer came, the client library sends
# the script again, and the second run only says what the first one did.
_ONCE: Final = """
local said = redis.call('GET', KEYS[#KEYS])
if said then return cmsgpack.unpack(said) end
local function body()
%s
end
local answer, changed = body()
if changed then redis.call('SET', KEYS[#KEYS], cmsgpack.pack(answer), 'PX', 20000) end
return answer
"""


@final
class Script:
    """A script of Redis.

    Args:
        text: in Lua. Of one that is run ``once``: returns the answer and whether anything was changed.
        once: whether a run whose answer was lost must not be made a second time.

    Attributes:
        text: what is sent.
        sha: by what the server knows it.
        once: see above.
    """

    def __init__(self, text: str, *, once: bool = False) -> None:
        self.text = _ONCE % text if once else text
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()
        self.once = once


class _Call(NamedTuple):
    answer: asyncio.Future[Any]
    script: Script | None
    args: tuple[Arg, ...]

    def command(self, *, known: bool) -> tuple[Arg, ...]:
        if self.script is None:
            return self.args
        return ("EVALSHA", self.script.sha, *self.args) if known else ("EVAL", self.script.text, *self.args)


@final
class Commands:
    """What one table says to its Redis.

    One pipeline is under way at a time. What is said meanwhile leaves with the next one, so that many callers cost
    little more than one. Answers of calls that were made at the same time come in no order.

    Args:
        address: where the server is.
        timeout_s: how long a pipeline may take, all attempts and the way to a new master included. A call waits for two
            at most.
    """

    def __init__(self, address: RedisAddress, *, timeout_s: float = 4.0) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._client: Any = None
        self._waiting: list[_Call] = []
        self._flight: asyncio.Task[None] | None = None
        self._id = os.urandom(8).hex()
        self._numbers = count()
        self._closed = False

    async def call(self, *args: Arg) -> Any:
        """A command.

        Returns:
            Its answer; text as ``bytes``.

        Raises:
            BusError: it was not done, or nobody knows; says why.
        """
        return await self._ask(None, args)

    async def run(self, script: Script, keys: Sequence[str], *args: Arg) -> Any:
        """A script; the first of its keys names the hash tag of them all, ``{...}``.

        Returns:
            Its answer; text as ``bytes``.

        Raises:
            BusError: it was not done, or nobody knows; says why.
        """
        if script.once:
            tag = keys[0][: keys[0].index("}") + 1]
            keys = (*keys, f"{tag}:once:{self._id}:{next(self._numbers)}")
        return await self._ask(script, (len(keys), *keys, *args))

    async def aclose(self) -> None:
        """Lets go of the server; calls that wait end with `BusError`. Idempotent."""
        self._closed = True
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])
        self._fail(self._waiting, _CLOSED)
        await self._disconnect()

    async def _ask(self, script: Script | None, args: tuple[Arg, ...]) -> Any:
        if self._closed:
            raise BusError(_CLOSED)
        if len(self._waiting) >= _WAITING_MOST:
            raise BusError(f"{self._address} is slow: {_WAITING_MOST} commands wait already")
        loop = asyncio.get_running_loop()
        call = _Call(loop.create_future(), script, args)
        self._waiting.append(call)
        if self._flight is None:
            self._flight = loop.create_task(self._fly(), name="stompede redis commands")
        return await call.answer

    async def _fly(self) -> None:
        try:
            while self._waiting:
                calls, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                await self._send([call for call in calls if not call.answer.done()])
        finally:
            self._flight = None

    async def _send(self, calls: list[_Call]) -> None:
        """One pipeline, and those of its calls again that the server could not do at the moment."""
        known = True
        trouble = f"{self._address} did not answer within {self._timeout_s:g} s"
        try:
            async with asyncio.timeout(self._timeout_s):
                while calls:
                    answers = await self._pipeline(calls, known=known)
                    pairs = list(zip(calls, answers, strict=True))
                    lost = next((answer for _, answer in pairs if isinstance(answer, _LOST)), None)
                    calls = [call for call, answer in pairs if isinstance(answer, _AGAIN)]
                    for call, answer in pairs:
                        self._settle(call, answer)
                    known = False
                    if lost is not None:
                        trouble = self._trouble(lost)
                        await self._disconnect()
                        await asyncio.sleep(_AGAIN_S)
        except TimeoutError:
            self._fail(calls, trouble)
        finally:
            self._fail(calls, _CLOSED)

    async def _pipeline(self, calls: list[_Call], *, known: bool) -> list[Any]:
        if self._client is None:
            self._client = self._address.client(bounded=False)  # `_ATTEMPT_S` bounds it, for less
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*call.command(known=known))
        try:
            async with asyncio.timeout(_ATTEMPT_S):
                answers: list[Any] = await pipeline.execute(raise_on_error=False)
        except TimeoutError:
            return [RedisTimeoutError(f"it did not answer within {_ATTEMPT_S:g} s")] * len(calls)
        except Exception as error:  # where the server was not reached, or its answers do not come
            return [error] * len(calls)
        return answers

    async def _disconnect(self) -> None:
        """The next pipeline asks anew who the master is, or what a cluster looks like."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):  # what broke need not close well
                await client.aclose()

    @staticmethod
    def _fail(calls: list[_Call], said: str) -> None:
        for call in calls:
            if not call.answer.done():
                call.answer.set_exception(BusError(said))

    def _settle(self, call: _Call, answer: Any) -> None:
        """Hands an answer over, if it is one."""
        if call.answer.done() or isinstance(answer, _AGAIN):
            return
        if isinstance(answer, Exception):
            call.answer.set_exception(BusError(self._trouble(answer)))
        else:
            call.answer.set_result(answer)

    def _trouble(self, error: Exception) -> str:
        match error:
            case OutOfMemoryError():
                return f"{self._address} is full: {error}"
            case ReadOnlyError():
                return f"{self._address} takes no writes: it is a replica"
            case ResponseError():
                return f"{self._address} refused: {error}"
            case _:
                return f"{self._address} cannot be used: {error}"
