"""Whatever consumers do, every message is acknowledged once; what was never delivered before comes in order."""

import asyncio
import random
from collections import Counter
from typing import Any, cast

import pytest

from serving import make_app
from stompede import Message, Queue, Stompede, testing
from stompede.store import MemoryQueues
from stompede.testing.clock import settle
from stompede.testing.memory import MemoryConnection
from stompsocket import Frame, Parser, encode

JOBS = "/queue/jobs"
MESSAGES = 150


class Worker:
    """A consumer in the same loop; what it has and has not acknowledged, in order."""

    def __init__(self, app: Stompede, mode: str, prefetch: int) -> None:
        self.mode = mode
        self.parser = Parser("1.2")
        self.unacked: list[Frame] = []
        self.fresh: list[int] = []
        self.transaction = 0
        self.lost_it = False
        self.connection = MemoryConnection(self, "worker", capacity_bytes=2000)
        self.connection.serve(app.accept(self.connection.transport))
        self.send("CONNECT", {"accept-version": "1.2", "host": "x"})
        self.send("SUBSCRIBE", {"id": 1, "destination": JOBS, "ack": mode, "prefetch-count": prefetch})

    def send(self, command: str, headers: dict[str, object]) -> None:
        self.connection.link.write(encode(command, headers))

    def received(self, data: bytes) -> None:
        for frame in self.parser.feed(data):
            assert frame.command != "ERROR", frame
            if frame.command == "MESSAGE":
                self.unacked.append(frame)
                if "redelivered" not in frame.headers:
                    self.fresh.append(int(frame.text))

    def lost(self, code: int | None, reason: str) -> None:
        self.lost_it = True

    def paused(self) -> None: ...

    def resumed(self) -> None: ...

    def alive(self) -> None: ...

    def choose(self, dice: random.Random) -> tuple[Frame, list[Frame]]:
        """A message, and all that an ACK of it is about."""
        one = dice.choice(self.unacked)
        return one, self.unacked[: self.unacked.index(one) + 1] if self.mode == "client" else [one]

    def answer(self, command: str, one: Frame, about: list[Frame], **headers: object) -> None:
        self.send(command, {"id": one.headers["ack"], **headers})
        self.unacked = [frame for frame in self.unacked if frame not in about]


class LateStore:
    """A store on the other end of a wire: it does at once what it is asked for, and the answer comes later."""

    def __init__(self) -> None:
        self.store: MemoryQueues[Message] = MemoryQueues()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.store, name)
        if name in ("start", "aclose", "unwatch", "statistics"):
            return method

        def answered_later(*arguments: Any, **named: Any) -> Any:
            loop = asyncio.get_running_loop()
            answer = loop.create_future()
            value = method(*arguments, **named)
            loop.call_soon(loop.call_soon, answer.set_result, value)
            return answer

        return answered_later


class Crowd:
    """Workers that come, work, fail and go by the dice."""

    def __init__(self, app: Stompede, seed: int) -> None:
        self.app = app
        self.dice = random.Random(seed)
        self.workers: list[Worker] = []
        self.gone: list[Worker] = []
        self.acked: Counter[int] = Counter()
        self.published = 0
        self.publishing: list[asyncio.Future[None]] = []

    def come(self) -> None:
        mode = self.dice.choice(("client", "client-individual"))
        self.workers.append(Worker(self.app, mode, self.dice.randrange(1, 9)))

    def publish(self) -> None:
        for _ in range(min(self.dice.randrange(1, 12), MESSAGES - self.published)):
            taken = self.app.publish_nowait(JOBS, str(self.published))
            if taken is not None:
                self.publishing.append(asyncio.ensure_future(taken))
            self.published += 1

    def work(self, worker: Worker) -> None:
        act = self.dice.choice(
            ("ack",) * 6 + ("nack", "pause", "resume", "commit", "abort", "leave", "cut", "bye")
        )
        if act in ("ack", "nack") and worker.unacked:
            one, about = worker.choose(self.dice)
            worker.answer(act.upper(), one, about)
            self.acked.update(int(frame.text) for frame in about if act == "ack")
        elif act in ("commit", "abort") and worker.unacked:
            worker.transaction += 1
            name = {"transaction": worker.transaction}
            before = worker.unacked
            worker.send("BEGIN", {**name})
            one, about = worker.choose(self.dice)
            worker.answer("ACK", one, about, **name)
            worker.send(act.upper(), {**name})
            if act == "commit":
                self.acked.update(int(frame.text) for frame in about)
            else:
                worker.unacked = before
        elif act == "pause":
            worker.connection.link.pause_reading()
        elif act == "resume":
            worker.connection.link.resume_reading()
        elif act == "leave":
            worker.send("UNSUBSCRIBE", {"id": 1})
            self.leave(worker)
        elif act == "bye":
            worker.send("DISCONNECT", {})
            self.leave(worker)
        elif act == "cut":
            worker.connection.link.cut()
            self.leave(worker)

    def leave(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.gone.append(worker)

    async def live(self) -> None:
        while self.published < MESSAGES or self.dice.random() < 0.95:
            if len(self.workers) < 4 and self.dice.random() < 0.3:
                self.come()
            if self.dice.random() < 0.4:
                self.publish()
            if self.workers:
                self.work(self.dice.choice(self.workers))
            await settle()

    async def finish(self) -> None:
        """Everybody goes, and one who works well does the rest."""
        await asyncio.gather(*self.publishing)
        for worker in list(self.workers):
            worker.connection.link.cut()
            self.leave(worker)
        await settle()
        last = Worker(self.app, "client", 1000)
        self.gone.append(last)
        await settle()
        if last.unacked:
            about = list(last.unacked)
            worker_answers = about[-1]
            last.answer("ACK", worker_answers, about)
            self.acked.update(int(frame.text) for frame in about)
        await settle()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("seed", range(15))
async def test_every_message_is_acknowledged_once_and_fresh_ones_keep_their_order(
    seed: int, late: bool
) -> None:
    app = make_app()
    app.destination(JOBS, queue=Queue(max_deliveries=10_000))
    async with testing.running(app):
        if late:
            queues = app.node.queues
            queues._store = cast(Any, LateStore())
            await queues.start()
        crowd = Crowd(app, seed)
        await crowd.live()
        await crowd.finish()
        assert crowd.acked == Counter(range(MESSAGES))
        for worker in crowd.gone:
            assert worker.fresh == sorted(worker.fresh)
        figures = app.node.statistics()
        assert figures.queues.acknowledged == figures.queues.store.settled == MESSAGES
        assert (figures.queues.store.queues, figures.transactions.open) == (0, 0)
        assert figures.queues.consumers == 1
