"""Real Redis servers for tests. ``STOMPEDE_TEST_REDIS_URL`` names one that runs already; else one is started, if it is
installed; else the test skips and says how to get it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import redis

PATIENCE_S = 20.0
_FOLLOW_FAST = ("--repl-diskless-sync-delay", "0")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """A redis-server of the test's own, which can be killed, frozen and started again.

    Args:
        folder: for its log and what it keeps.
        port: where it listens; free.
        options: further ones of the command line.
    """

    def __init__(self, folder: Path, port: int, *options: str) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}"
        self._folder = folder
        self._options = options
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self._folder),
        ]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--save", "", *self._options], stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + PATIENCE_S
        while not self.answers():
            assert self.process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.01)

    def answers(self) -> bool:
        """Whether it serves commands now."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def kill(self) -> None:
        """Kills it with SIGKILL."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """A Redis server of the test's own; skips where none is installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server: `make services`, or apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="stompede-redis-") as folder:
        server = RedisServer(Path(folder), free_port(), *options)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@contextlib.contextmanager
def some_redis() -> Iterator[str]:
    """The URL of a Redis server that may hold other things: tests keep to names of their own."""
    given = os.environ.get("STOMPEDE_TEST_REDIS_URL")
    if given:
        yield given
        return
    with running_redis() as server:
        yield server.url


class RedisCluster:
    """Three masters with a replica each, of the test's own.

    Args:
        folder: for their logs and what they keep.
        options: further ones of the command line, for all.

    Attributes:
        servers: all six.
        url: for `RedisAddress`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.servers = [self._server(folder / str(number), *options) for number in range(6)]
        self.url = f"redis+cluster://{','.join(f'127.0.0.1:{server.port}' for server in self.servers)}"

    def _server(self, folder: Path, *options: str) -> RedisServer:
        folder.mkdir()
        # The port of the bus must be given: else it is 10,000 above, which may be beyond all ports.
        own = ("--cluster-port", str(free_port()), "--cluster-config-file", "nodes.conf")
        fast = ("--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0")
        return RedisServer(folder, free_port(), "--cluster-enabled", "yes", *own, *fast, *options)

    def start(self) -> None:
        """Starts all, joins them, and waits until every slot is served and every replica follows."""
        for server in self.servers:
            server.start()
        hosts = [f"127.0.0.1:{server.port}" for server in self.servers]
        create = ["redis-cli", "--cluster", "create", *hosts, "--cluster-replicas", "1", "--cluster-yes"]
        subprocess.run(create, check=True, capture_output=True, timeout=PATIENCE_S)
        end = time.monotonic() + PATIENCE_S
        while not all(self._is_ready(server) for server in self.servers):
            assert time.monotonic() < end, "the cluster does not come up"
            time.sleep(0.05)

    def _is_ready(self, server: RedisServer) -> bool:
        with _commands(server) as client:
            followers = client.info("replication")
            state = client.execute_command("CLUSTER INFO")["cluster_state"]
            return state == "ok" and followers.get("master_link_status", "up") == "up"

    def master_of(self, key: str) -> RedisServer:
        """The server that serves a key now."""
        for server in self.servers:
            if server.process.poll() is None:
                with _commands(server) as client:
                    if _serves(client, key):
                        return server
        raise AssertionError(f"nobody serves {key}")

    def kill(self) -> None:
        """Kills all."""
        for server in self.servers:
            if hasattr(server, "process"):
                server.kill()


def _serves(client: redis.Redis, key: str) -> bool:
    """Whether a server is a master that serves a key itself."""
    if client.execute_command("ROLE")[0] != b"master":
        return False
    try:
        client.exists(key)
    except redis.ResponseError:  # MOVED, or CLUSTERDOWN
        return False
    return True


@contextlib.contextmanager
def _commands(server: RedisServer) -> Iterator[redis.Redis]:
    client = redis.Redis(port=server.port)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def running_cluster(*options: str) -> Iterator[RedisCluster]:
    """A Redis Cluster of the test's own; skips where Redis is not installed."""
    if shutil.which("redis-server") is None or shutil.which("redis-cli") is None:
        pytest.skip("needs redis-server and redis-cli: `make services`, or apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="stompede-redis-") as folder:
        cluster = RedisCluster(Path(folder), *options)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.kill()


class RedisSentinels:
    """A master, a replica, and three Sentinels, of the test's own.

    Args:
        folder: for their files.

    Attributes:
        servers: the first master and the first replica.
        url: for `RedisAddress`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = [free_port() for _ in range(3)]
        self._sentinels: list[subprocess.Popen[bytes]] = []
        self.servers = [self._server("master"), self._server("replica")]
        self.url = f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._ports)}?master=main"

    def _server(self, name: str) -> RedisServer:
        (self._folder / name).mkdir()
        return RedisServer(self._folder / name, free_port(), "--repl-diskless-sync-delay", "0")

    def start(self) -> None:
        """Starts all, and waits until every Sentinel knows the others and the replica."""
        master, replica = self.servers
        for server in self.servers:
            server.start()
        with _commands(replica) as client:
            client.replicaof("127.0.0.1", str(master.port))
        _until(lambda: self._follows(replica), "the replica does not follow")
        for port in self._ports:
            self._sentinels.append(self._sentinel(port, master.port))
        _until(lambda: all(map(self._is_ready, self._ports)), "the Sentinels do not find each other")

    def _sentinel(self, port: int, master: int) -> subprocess.Popen[bytes]:
        file = self._folder / f"sentinel-{port}.conf"  # a Sentinel rewrites it
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {self._folder}\nsentinel monitor main 127.0.0.1 {master} 2\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
            "sentinel parallel-syncs main 1\n"
        )
        with (self._folder / f"sentinel-{port}.log").open("ab") as log:
            command = ["redis-server", str(file), "--sentinel"]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    @staticmethod
    def _follows(replica: RedisServer) -> bool:
        with _commands(replica) as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    @staticmethod
    def _is_ready(port: int) -> bool:
        client = redis.Redis(port=port)
        try:
            known = client.sentinel_master("main")
            return bool(known["num-other-sentinels"] == 2 and known["num-slaves"] == 1)
        except redis.RedisError:
            return False
        finally:
            client.close()

    @property
    def master(self) -> RedisServer:
        """The server that Sentinels name now."""
        client = redis.Redis(port=self._ports[0])
        try:
            port = client.sentinel_get_master_addr_by_name("main")[1]
        finally:
            client.close()
        return next(server for server in self.servers if server.port == port)

    def kill(self) -> None:
        """Kills all."""
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in self.servers:
            if hasattr(server, "process"):
                server.kill()


def _until(holds: Callable[[], bool], said: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, said
        time.sleep(0.05)


@contextlib.contextmanager
def running_sentinels() -> Iterator[RedisSentinels]:
    """A master with a replica under three Sentinels; skips where Redis is not installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("needs redis-server: `make services`, or apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="stompede-redis-") as folder:
        servers = RedisSentinels(Path(folder))
        try:
            servers.start()
            yield servers
        finally:
            servers.kill()


class SentinelRedis:
    """A master, a replica and three Sentinels, of the test's own.

    Args:
        folder: for their logs and what they keep.
        options: further ones of the command line, for both servers.

    Attributes:
        servers: the first master, and its replica.
        url: for `RedisAddress`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        master = free_port()
        following = ("--replicaof", f"127.0.0.1 {master}")
        self.servers = [
            RedisServer(self._inside("master"), master, *_FOLLOW_FAST, *options),
            RedisServer(self._inside("replica"), free_port(), *_FOLLOW_FAST, *following, *options),
        ]
        self._ports = [free_port() for _ in range(3)]
        self._sentinels: list[subprocess.Popen[bytes]] = []
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        self.url = f"redis+sentinel://{hosts}?master=main"

    def _inside(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def start(self) -> None:
        """Starts all, and waits until the replica follows and every Sentinel knows all others."""
        for server in self.servers:
            server.start()
        for port in self._ports:
            self._sentinels.append(self._start_sentinel(port))
        end = time.monotonic() + PATIENCE_S
        while not self._is_ready():
            assert time.monotonic() < end, "the Sentinels do not come up"
            time.sleep(0.05)

    def _start_sentinel(self, port: int) -> subprocess.Popen[bytes]:
        folder = self._inside(str(port))
        lines = [f"port {port}", "bind 127.0.0.1", f"dir {folder}"]
        lines += [f"sentinel monitor main 127.0.0.1 {self.servers[0].port} 2"]
        lines += ["sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 3000"]
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")  # each rewrites its own
        with (folder / "log").open("ab") as log:
            command = ["redis-sentinel", str(folder / "sentinel.conf")]
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _is_ready(self) -> bool:
        with _commands(self.servers[1]) as client:
            if client.info("replication").get("master_link_status") != "up":
                return False
        return all(_knows_all(port) for port in self._ports)

    def kill(self) -> None:
        """Kills all."""
        for sentinel in self._sentinels:
            sentinel.kill()
            sentinel.wait()
        for server in self.servers:
            if hasattr(server, "process"):
                server.kill()


def _knows_all(port: int) -> bool:
    """Whether a Sentinel knows the replica and the two others."""
    client = redis.Redis(port=port)
    try:
        state = client.sentinel_master("main")
    except redis.RedisError:
        return False
    finally:
        client.close()
    return (state["num-slaves"], state["num-other-sentinels"]) == (1, 2)


@contextlib.contextmanager
def running_sentinel(*options: str) -> Iterator[SentinelRedis]:
    """Redis under Sentinels of the test's own; skips where it is not installed."""
    if shutil.which("redis-server") is None or shutil.which("redis-sentinel") is None:
        pytest.skip(
            "needs redis-server and redis-sentinel: `make services`, or apt-get install redis-sentinel"
        )
    with tempfile.TemporaryDirectory(prefix="stompede-redis-") as folder:
        watched = SentinelRedis(Path(folder), *options)
        try:
            watched.start()
            yield watched
        finally:
            watched.kill()
