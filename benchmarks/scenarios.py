"""What is measured, against which baseline, and what is wanted."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Final

import jwt

from benchmarks import rabbitmq
from benchmarks.generator import Load
from benchmarks.servers import JWT_SECRET, PRODUCT

BODY_BYTES: Final = 200
CONNECT: Final = r"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,0\n\n\0"
CONNECT_BEATING: Final = r"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:10000,10000\n\n\0"
CONNECT_BEATEN: Final = r"CONNECT\naccept-version:1.2\nhost:localhost\nheart-beat:0,1500\n\n\0"
TOPIC: Final = "/topic/bench"
JSON_BODY: Final = '{"text":"%m"}'
JSON_MARK_BYTES: Final = BODY_BYTES - len(JSON_BODY) + 2


class Kind(Enum):
    """How a scenario is run."""

    PAIRS = "pairs"  # product and baseline in turn, on servers that stay
    FRESH = "fresh"  # each run on a new process: memory
    STORM = "storm"  # each run beside a fan-out that is going on
    CLOCK = "clock"  # without a server: `benchmarks.clock`
    RECOVERY = "recovery"  # a crowd that recovers beside a fan-out: `benchmarks.recovery`


@dataclass(frozen=True)
class Scenario:
    """One line of the result.

    Attributes:
        name: for the command line.
        title: for people.
        product: the load for Stompede.
        baseline: a module of `benchmarks.baselines`.
        other_load: the load for it, where it is not the same.
        metric: which figure of the report is compared.
        unit: what the figure is.
        ratio: the wanted ratio of product to baseline; ``None`` when the figure itself has a bound.
        bound: the wanted figure.
        least: whether the wanted value is the least that is good enough, or the most.
        kind: how it is run.
    """

    name: str
    title: str
    product: Load
    baseline: str
    other_load: Load | None = None
    metric: str = "deliveredPerS"
    unit: str = "deliveries/s"
    ratio: float | None = None
    bound: float | None = None
    least: bool = True
    kind: Kind = Kind.PAIRS

    @property
    def baseline_load(self) -> Load:
        """The load for the baseline."""
        return self.product if self.other_load is None else self.other_load


def subscribe(identifier: str, destination: str) -> str:
    """The script for a SUBSCRIBE."""
    return rf"SUBSCRIBE\nid:{identifier}\ndestination:{destination}\nreceipt:ready\n\n\0"


def quietly_subscribe(identifier: str, destination: str) -> str:
    """The script for a SUBSCRIBE without a receipt."""
    return rf"SUBSCRIBE\nid:{identifier}\ndestination:{destination}\n\n\0"


def send(destination: str, *headers: str, body: str = "%m") -> str:
    """The script for a SEND of `BODY_BYTES`."""
    lines = "".join(rf"{header}\n" for header in headers)
    return rf"SEND\ndestination:{destination}\n{lines}content-length:{BODY_BYTES}\n\n{body}\0"


@cache
def token_file(count: int) -> Path:
    """A file with a token for each of so many members."""
    path = Path(tempfile.mkdtemp(prefix="stompede-benchmark-")) / "tokens"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    end = int(time.time()) + 6 * 3600
    tokens = (jwt.encode({"sub": f"member-{n}", "exp": end}, JWT_SECRET, "HS256") for n in range(count))
    path.write_text("\n".join(tokens))
    return path


def fan_out(window: int, identifier: str = "0") -> Load:
    """One publisher, 1,000 subscribers of one topic."""
    return Load(
        subscribers=1000,
        publishers=1,
        connect=CONNECT,
        subscribe=subscribe(identifier, TOPIC),
        publish=send(TOPIC),
        window=window,
    )


def said(window: int) -> Load:
    """The same through a typed handler that publishes what it returns."""
    load = fan_out(window)
    return replace(
        load,
        subscribe=subscribe("0", "/topic/said"),
        publish=send("/app/say", "content-type:application/json", body=JSON_BODY),
        body_bytes=JSON_MARK_BYTES,
    )


def own_topics() -> Load:
    """1,000 clients, each the only subscriber of a topic of its own, to which it publishes itself."""
    own = TOPIC + "/%d"
    return Load(
        subscribers=1000, connect=CONNECT, subscribe=subscribe("0", own), publish=send(own), answers=True
    )


def queue_of_work() -> Load:
    """One publisher, 100 consumers of one queue that acknowledge each message."""
    queue = "/queue/bench"
    wanted = rf"SUBSCRIBE\nid:0\ndestination:{queue}\nack:client-individual\nreceipt:ready\n\n\0"
    return Load(
        subscribers=100,
        publishers=1,
        connect=CONNECT,
        subscribe=wanted,
        publish=send(queue),
        queue=True,
        window=8,
    )


def of_rabbitmq(load: Load) -> Load:
    """The same as RabbitMQ wants it: a user, and the virtual host in the place of the host's name."""
    connect = r"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0\n\n\0"
    return replace(load, connect=connect, path="/ws", protocol="v12.stomp")


def ask(destination: str, *headers: str, code: str = "%d", tokens: bool = False) -> Load:
    """200 clients, each asks and waits for its answer."""
    script = send(
        destination, "content-type:application/json", f"client-request-code:{code}", *headers, body=JSON_BODY
    )
    return Load(
        subscribers=200,
        connect=CONNECT,
        subscribe=subscribe("0", "/session/queue/replies"),
        publish=script,
        answers=True,
        body_bytes=JSON_MARK_BYTES,
        tokens=token_file(200) if tokens else None,
    )


def bare(load: Load) -> Load:
    """The same without STOMP's opening, for a server that only echoes."""
    return replace(load, connect=None, subscribe=None)


IDLE: Final = replace(
    fan_out(1), subscribers=9000, connect=CONNECT_BEATING, publications=1, hold_s=12, heart_beat_s=8
)
BEATEN: Final = replace(
    fan_out(1), subscribers=9000, connect=CONNECT_BEATEN, publish="", hold_s=10, beats_s=1.5
)
STORM: Final = replace(
    fan_out(1),
    subscribers=9000,
    subscribe=subscribe("0", TOPIC + "/storm"),
    publish=send(TOPIC + "/storm"),
    publications=1,
)
BESIDE_STORM: Final = replace(fan_out(1), rate=20)


def scenarios() -> list[Scenario]:
    """All of them, in the order of the table."""
    return [*_fan_outs(), *_wildcards(), *_one_to_one(), *_queues(), *_recoveries(), *_crowds()]


def _fan_outs() -> Iterator[Scenario]:
    yield Scenario("fanout-8", "Fan-out, 8 in flight, against bare ticks", fan_out(8), "ticks", ratio=0.80)
    yield Scenario(
        "fanout-handler",
        "Fan-out through a typed handler, 8 in flight, against bare ticks",
        said(8),
        "ticks",
        fan_out(8),
        ratio=0.80,
    )
    yield Scenario("fanout-64", "Fan-out, 64 in flight, against bare ticks", fan_out(64), "ticks", ratio=0.80)
    yield Scenario(
        "fanout-64-sends",
        "Fan-out, 64 in flight, against one send a message",
        fan_out(64),
        "one_send",
        ratio=10,
    )
    yield Scenario(
        "latency",
        "Fan-out, one in flight: median latency, against one send a message",
        fan_out(1),
        "one_send",
        metric="p50Us",
        unit="µs",
        ratio=1.25,
        least=False,
    )
    yield Scenario(
        "ids",
        "Fan-out, 8 in flight, 1,000 different subscription ids, against bare ticks with as many",
        fan_out(8, "sub-%d"),
        "ticks",
        ratio=0.60,
    )


def _wildcards() -> Iterator[Scenario]:
    everywhere = replace(fan_out(8), subscribe=subscribe("0", "/topic/*"))
    yield Scenario(
        "wildcards",
        "Fan-out, 8 in flight, to 1,000 subscribers of a wildcard, against the same by name",
        everywhere,
        PRODUCT,
        fan_out(8),
        ratio=0.90,
    )
    # Two subscriptions each on both sides: the second one brings nothing.
    beside, named = (
        replace(own_topics(), subscribe=quietly_subscribe("1", other) + subscribe("0", TOPIC + "/%d"))
        for other in ("/topic/*/%d/none", "/topic/none/%d/none")
    )
    yield Scenario(
        "wildcards-topics",
        "1,000 topics with one subscriber each, beside 1,000 wildcards, against as many names",
        beside,
        PRODUCT,
        named,
        metric="deliveredPerCpuS",
        unit="deliveries/CPU-s",
        ratio=0.90,
    )


def _queues() -> Iterator[Scenario]:
    yield Scenario(
        "queue-acks",
        "One queue, 100 consumers that acknowledge each message, against 100 topics without acknowledgement",
        queue_of_work(),
        PRODUCT,
        replace(own_topics(), subscribers=100),
        metric="deliveredPerCpuS",
        unit="messages/CPU-s",
        ratio=0.35,
    )
    yield Scenario(
        "queue-rabbitmq",
        "The same queue and its 100 consumers, against RabbitMQ's Web STOMP",
        queue_of_work(),
        rabbitmq.NAME,
        of_rabbitmq(queue_of_work()),
        metric="deliveredPerCpuS",
        unit="messages/CPU-s",
        ratio=1,
    )


def _recoveries() -> Iterator[Scenario]:
    yield Scenario(
        "recovery",
        "Fan-out beside 1,000 clients that recover 200 messages each at once: p99, against as many that only subscribe",
        fan_out(1),
        PRODUCT,
        metric="p99Us",
        unit="µs",
        ratio=3,
        least=False,
        kind=Kind.RECOVERY,
    )


def _one_to_one() -> Iterator[Scenario]:
    yield Scenario(
        "topics",
        "1,000 topics with one subscriber each, against a bare echo",
        own_topics(),
        "echo",
        bare(own_topics()),
        metric="deliveredPerCpuS",
        unit="deliveries/CPU-s",
        ratio=0.60,
    )
    title = "Request and answer by a typed handler, 200 clients, against parse-and-answer"
    yield Scenario("answers", title, ask("/app/ping"), "answer", unit="answers/s", ratio=0.50)
    load = ask("/app/member/ping", "authorization:Bearer %t", tokens=True)
    yield Scenario(
        "answers-jwt", "… with a token on every message", load, "answer", unit="answers/s", ratio=0.45
    )
    title = "… with another client-request-code on every message"
    yield Scenario("answers-codes", title, ask("/app/ping", code="%n"), "answer", unit="answers/s")


def _crowds() -> Iterator[Scenario]:
    yield Scenario(
        "memory",
        "Memory of an idle subscribed session with heart-beats, of 9,000",
        IDLE,
        "ticks",
        metric="bytesPerConnectionHeld",
        unit="bytes",
        bound=18 * 1024,
        least=False,
        kind=Kind.FRESH,
    )
    yield Scenario(
        "heartbeats",
        "CPU of as many heart-beats as 100,000 idle sessions get every 10 s, to 9,000, against a bare loop of writes",
        BEATEN,
        "beats",
        metric="percentOfCore",
        unit="% of a core",
        bound=15,
        least=False,
        kind=Kind.FRESH,
    )
    yield Scenario(
        "clock",
        "CPU of the clock alone with 1,000,000 deadlines every 10 s, against bare calls",
        BEATEN,
        "bare calls",
        metric="percent",
        unit="% of a core",
        bound=15,
        least=False,
        kind=Kind.CLOCK,
    )
    yield Scenario(
        "storm",
        "Connect, CONNECT and SUBSCRIBE of 9,000 clients beside a fan-out of 20/s",
        STORM,
        "ticks",
        metric="connectsPerS",
        unit="connects/s",
        bound=3000,
        kind=Kind.STORM,
    )
