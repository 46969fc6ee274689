"""A real Kafka broker for tests. ``STOMPEDE_TEST_KAFKA_URL`` names one that runs already; else one is started, if
`make services` has brought it; else the test skips and says so.
"""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from redisserving import free_port

PATIENCE_S = 60.0
JARS = Path(__file__).parent / "kafka" / "target" / "lib"
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=2097152
num.network.threads=2
num.io.threads=2
"""


def _uuid() -> str:
    """Kafka's way to write 16 bytes; it may not begin with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))[0] == "-":
        pass
    return text


class KafkaBroker:
    """A broker of the test's own, which can be killed and started again.

    Args:
        folder: for its settings, log and data.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"kafka://127.0.0.1:{self.port}"
        self._folder = folder
        data = folder / "data"
        data.mkdir()
        (data / "meta.properties").write_text(
            f"version=1\ncluster.id={_uuid()}\nnode.id=1\ndirectory.id={_uuid()}\n"
        )
        settings = _PROPERTIES.format(port=self.port, controller=free_port(), data=data)
        (folder / "server.properties").write_text(settings)
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        command = ["java", "-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        command += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{JARS}/*", "kafka.Kafka"]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, str(self._folder / "server.properties")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE_S
        while not self._listens():
            assert self.process.poll() is None, (self._folder / "log").read_text()[-3000:]
            assert time.monotonic() < end, "the broker does not listen"
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Ends it."""
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running_kafka() -> Iterator[KafkaBroker]:
    """A broker of the test's own; skips where there is none to start."""
    if shutil.which("java") is None or not JARS.is_dir():
        pytest.skip("needs Java and the jars of a Kafka broker: `make services`")
    with tempfile.TemporaryDirectory(prefix="stompede-kafka-") as folder:
        broker = KafkaBroker(Path(folder))
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


@contextlib.contextmanager
def some_kafka() -> Iterator[str]:
    """The URL of a broker that may hold other things: tests keep to topics of their own."""
    given = os.environ.get("STOMPEDE_TEST_KAFKA_URL")
    if given:
        yield given
        return
    with running_kafka() as broker:
        yield broker.url
