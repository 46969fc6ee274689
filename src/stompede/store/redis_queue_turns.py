"""What a node wants of its queues in Redis goes there in turns: one script for all that came together meanwhile.

One turn is under way at a time, and what comes meanwhile makes up the next one. So the calls of a node take effect in
their order, and the more there are, the less each costs. A turn has a number, under which the server keeps what came of
it: one whose answer was lost is sent again and does nothing twice. After ``patience_s`` it is given up, and with it all
that waits. Settling and giving back are done later then, since they must be done whatever happens.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, final

import msgspec
import structlog
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import AuthenticationError as RedisAuthenticationError
from redis.exceptions import AuthorizationError as RedisAuthorizationError
from redis.exceptions import ClusterError, NoScriptError, ReadOnlyError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stompede._traceback import traceback_of
from stompede.errors import BusError

T = TypeVar("T")
log = structlog.get_logger("stompede.queues.redis")

_HERE: Final = Path(__file__).parent
_SCRIPT: Final = "".join(
    (_HERE / f"redis_queues_{part}.lua").read_text() for part in ("state", "steps", "turn")
)
_SHA: Final = hashlib.sha1(
    _SCRIPT.encode(), usedforsecurity=False
).hexdigest()  # it is how Redis names scripts
_MAYBE_LATER: Final = (
    RedisConnectionError, RedisTimeoutError, ReadOnlyError, ClusterError, RedisClusterException, OSError,
)  # fmt: skip
_LET_IN_NEVER: Final = (RedisAuthenticationError, RedisAuthorizationError)
_PAUSE_S: Final = (0.02, 0.5)  # first and longest one between attempts
ATTEMPT_S: Final = 2.5  # a server that takes longer may be gone: another attempt may find another one
_CANCEL_AGAIN_S: Final = 0.1
_MOST_STEPS: Final = 256  # of a turn, so that the server serves others between two of them
_MOST_BYTES: Final = 1024 * 1024  # of the messages of a turn, unless it is a single one
_MOST_WAITING_BYTES: Final = 64 * 1024 * 1024  # of the messages that wait for their turn


class Bounds(msgspec.Struct, frozen=True):
    """What the script has to know.

    Attributes:
        max_queues: queues that may hold messages at once.
        max_bytes: bytes of the messages of all queues together.
        dead_after_s: who has been silent for so long is dead.
    """

    max_queues: int
    max_bytes: int
    dead_after_s: float


class Totals(msgspec.Struct, frozen=True):
    """What all queues hold, as the last answer said."""

    queues: int = 0
    waiting: int = 0
    taken: int = 0
    size_bytes: int = 0


@final
class Answer(asyncio.Future[T]):
    """What will be known of a step.

    Nobody may get a result: whoever waits for it is cancelled before or just after it comes. Then it is `unwanted`.
    """

    unwanted: Callable[[T], None] | None = None

    def __await__(self) -> Generator[Any, None, T]:
        try:
            return (yield from super().__await__())
        except asyncio.CancelledError:
            if self.unwanted is not None and not self.cancelled() and self.done():
                self.unwanted(self.result())
            raise

    def give(self, result: T) -> None:
        """The result is there."""
        if not self.done():
            self.set_result(result)
        elif self.cancelled() and self.unwanted is not None:
            self.unwanted(result)

    def fail(self, sentence: str) -> None:
        """There will be none."""
        if not self.done():
            self.set_exception(BusError(sentence))


class Step(msgspec.Struct, eq=False):
    """Something that a node wants.

    Attributes:
        words: name and arguments of a function of the script.
        items: messages for it.
        answer: whom to tell.
        made_of: makes the result from what the function returned.
        size_bytes: of the messages in it.
        lasting: it must be done, if not now then later; it may be done twice.
    """

    words: list[Any]
    answer: Answer[Any] | None = None
    made_of: Callable[[Any], Any] | None = None
    items: Sequence[bytes] = ()
    size_bytes: int = 0
    lasting: bool = False


@final
class Turns:
    """The way of one node to its queues.

    Args:
        client: for commands.
        where: what the server is called in errors.
        key: under which everything stands; in braces, so that a cluster keeps it together.
        node: id of the node.
        bounds: for the script.
        patience_s: how long a turn is tried.
        waiting: called with queues in which messages wait.
        unknown: called when the server does not know this node (any more).

    Attributes:
        totals: what all queues hold.
        open: between `start` and `aclose`.
    """

    def __init__(
        self,
        client: Redis | RedisCluster,
        where: str,
        key: str,
        node: str,
        bounds: Bounds,
        patience_s: float,
        waiting: Callable[[str], None],
        unknown: Callable[[], None],
    ) -> None:
        self.totals = Totals()
        self.open = False
        self._client = client
        self._where = where
        self._key = key
        self._node = node
        self._bounds = (bounds.max_queues, bounds.max_bytes, round(bounds.dead_after_s * 1000))
        self._patience_s = patience_s
        self._waiting = waiting
        self._unknown = unknown
        self._encode = msgspec.msgpack.Encoder().encode
        self._steps: deque[Step] = deque()
        self._under_way: Sequence[Step] = ()
        self._size_bytes = 0
        self._wanted = asyncio.Event()
        self._number = 0
        self._learnt = 0
        self._away = False
        self._task: asyncio.Task[None] | None = None

    async def start(self, words: list[Any]) -> None:
        """Takes the first step, and goes on from then.

        Raises:
            BusError: Redis is not there, or does not let us in.
        """
        self.open = True
        self._task = asyncio.get_running_loop().create_task(self._run(), name="stompede queues")
        try:
            await self.ask(words)
        except BaseException:
            await self._stop()
            raise

    def ask(
        self,
        words: list[Any],
        made_of: Callable[[Any], Any] | None = None,
        *,
        items: Sequence[bytes] = (),
        unwanted: Callable[[Any], None] | None = None,
        lasting: bool = False,
    ) -> Answer[Any]:
        """Takes a step with the next turn; the answer tells of it, also by `BusError`."""
        answer: Answer[Any] = Answer(loop=asyncio.get_running_loop())
        answer.unwanted = unwanted
        self._add(Step(words, answer, made_of, items, sum(map(len, items)), lasting))
        return answer

    def post(
        self, words: list[Any], made_of: Callable[[Any], Any] | None = None, *, lasting: bool = False
    ) -> None:
        """Takes a step for which nobody waits."""
        self._add(Step(words, None, made_of, lasting=lasting))

    def check_room(self, size_bytes: int) -> None:
        """Refuses more messages while too many wait for their turn.

        Raises:
            BusError: the server does not keep up.
        """
        if self._size_bytes and self._size_bytes + size_bytes > _MOST_WAITING_BYTES:
            raise BusError(f"{self._where} does not keep up: {self._size_bytes} bytes wait to be written")

    def _add(self, step: Step) -> None:
        self._steps.append(step)
        self._size_bytes += step.size_bytes
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            self._under_way = steps = self._next()
            if not steps:
                self._wanted.clear()
                continue
            try:
                await self._turn(steps)
            except BusError as error:
                self._fail(str(error))
            except Exception as error:
                log.error("a turn of the queues failed", exception=traceback_of(error))
                self._fail(f"the queues failed: {error!r}")
            self._under_way = ()

    def _next(self) -> list[Step]:
        steps: list[Step] = []
        size_bytes = 0
        while self._steps and len(steps) < _MOST_STEPS:
            step = self._steps[0]
            if step.answer is not None and step.answer.cancelled() and not step.lasting:
                self._size_bytes -= self._steps.popleft().size_bytes
                continue
            size_bytes += step.size_bytes
            if steps and size_bytes > _MOST_BYTES:
                break
            steps.append(self._steps.popleft())
            self._size_bytes -= step.size_bytes
        return steps

    def _fail(self, sentence: str) -> None:
        """Nobody waits any longer: neither for what was tried, nor for what would be tried next."""
        if not self._away and self.open:
            log.warning("queues are away", reason=sentence)
        self._away = True
        steps = [*self._under_way, *self._steps]
        self._steps.clear()
        self._size_bytes = 0
        for step in steps:
            if step.answer is not None:
                step.answer.fail(sentence)
            if step.lasting:
                self._steps.append(Step(step.words, None, step.made_of, lasting=True))
        self._wanted.clear()  # they go with the next that somebody wants: there is one every second

    async def _turn(self, steps: Sequence[Step]) -> None:
        self._number = number = self._number + 1
        words = [step.words for step in steps]
        turn = self._encode([self._node, number, self._learnt, *self._bounds, words])
        reply = await self._patiently([turn, *(item for step in steps for item in step.items)])
        if not reply:
            raise BusError(f"another node at {self._where} has the id {self._node}, which must be its own")
        self._learnt = number
        known, *totals, waiting, outcomes = reply
        self.totals = Totals(*totals)
        if self._away:
            self._away = False
            log.info("queues are back")
        for step, (failed, value) in zip(steps, outcomes, strict=True):
            self._tell(step, failed, value)
        if not known:
            self._unknown()
        for queue in waiting:
            self._waiting(queue.decode())

    def _tell(self, step: Step, failed: int, value: Any) -> None:
        if failed:
            sentence = f"{self._where} failed to {step.words[0]}: {value.decode(errors='replace')}"
            log.error("a step of the queues failed", reason=sentence)
            if step.answer is not None:
                step.answer.fail(sentence)
            return
        result = None if step.made_of is None else step.made_of(value)
        if step.answer is not None:
            if isinstance(result, BusError):
                step.answer.fail(str(result))
            else:
                step.answer.give(result)

    async def _patiently(self, turn: Sequence[bytes]) -> list[Any]:
        last: Exception | None = None
        pause, longest = _PAUSE_S
        clock = asyncio.get_running_loop().time
        until = clock() + self._patience_s
        try:
            while (left := until - clock()) > 0:
                try:
                    async with asyncio.timeout(min(left, ATTEMPT_S)):
                        return await self._send(turn)
                except _LET_IN_NEVER as error:
                    raise BusError(f"{self._where} does not let us in: {error}") from error
                except _MAYBE_LATER as error:
                    last = error if str(error) or last is None else last
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads nodes
                pause = min(pause * 2, longest)
        except RedisError as error:
            raise BusError(f"{self._where} refused: {error}") from error
        said = str(last) or "it does not answer"
        raise BusError(f"{self._where} has not served us for {self._patience_s:g} s: {said}") from last

    async def _send(self, turn: Sequence[bytes]) -> list[Any]:
        try:
            reply = await self._client.execute_command("EVALSHA", _SHA, 1, self._key, *turn)
        except NoScriptError:
            reply = await self._client.execute_command("EVAL", _SCRIPT, 1, self._key, *turn)
        return list(reply)

    async def aclose(self, words: list[Any], patience_s: float) -> None:
        """Does what must be done, takes a last step until it returns 0, and ends; all in so many seconds."""
        if not self.open:
            return
        self.open = False
        left = 1
        try:
            async with asyncio.timeout(patience_s):
                while left:
                    left = await self.ask(words, int)
        except (TimeoutError, BusError) as error:
            log.warning("queues were left without a word", reason=str(error))
        await self._stop()

    async def _stop(self) -> None:
        self.open = False
        if self._task is not None:
            await end(self._task)
        self._fail("the queues are closed")
        self._steps.clear()

    async def abort(self) -> None:
        """Ends without a word."""
        await self._stop()


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancels tasks that talk to Redis, and waits for their end.

    Asking once is not enough: the client sends by ``asyncio.wait_for``, which before Python 3.12 forgets that it was
    cancelled when what it waited for is done in the same moment.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_CANCEL_AGAIN_S)
