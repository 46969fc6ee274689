"""Where Redis is: one server, a master that Sentinels name, or a cluster."""

from __future__ import annotations

import enum
from typing import Any, Final, Self, cast
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import msgspec
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError
from redis.exceptions import TimeoutError as RedisTimeoutError

from stompede.errors import ConfigurationError

_PORTS: Final = {"one": 6379, "sentinel": 26379, "cluster": 6379}
_TIMEOUT_S: Final = 2.0
_RETRIES: Final = 8
_LOST: Final = [RedisConnectionError, RedisTimeoutError, ReadOnlyError]


class Kind(enum.Enum):
    """How servers stand to each other."""

    ONE = "one"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_SCHEMES: Final = {
    "redis": (Kind.ONE, False),
    "rediss": (Kind.ONE, True),
    "redis+sentinel": (Kind.SENTINEL, False),
    "rediss+sentinel": (Kind.SENTINEL, True),
    "redis+cluster": (Kind.CLUSTER, False),
    "rediss+cluster": (Kind.CLUSTER, True),
}


class _OfSentinels(Redis):
    """The client of a master, which closes its connections to the Sentinels, too."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool = cast(SentinelConnectionPool, self.connection_pool)
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


class RedisAddress(msgspec.Struct, frozen=True):
    """Where Redis is, as a URL says it.

    - ``redis://[[user]:password@]host[:port][/database]``: one server;
    - ``redis+sentinel://[[user]:password@]host[:port],...[/database]?master=name``: Sentinels, who name the master;
    - ``redis+cluster://[[user]:password@]host[:port],...``: a cluster, by some of its nodes.

    ``rediss`` instead of ``redis`` connects by TLS.

    Attributes:
        kind: how the servers stand to each other.
        hosts: names and ports; of Sentinel those of the Sentinels.
        tls: whether to connect by TLS.
        username: for AUTH; ``None``: the default user.
        password: for AUTH; ``None``: none is sent.
        database: number of the database.
        master: the name by which Sentinels know the master.
    """

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    tls: bool = False
    username: str | None = None
    password: str | None = None
    database: int = 0
    master: str = ""

    @classmethod
    def parse(cls, url: str, setting: str = "bus") -> Self:
        """Reads a URL.

        Args:
            url: the URL.
            setting: where it is from, for the sentence.

        Raises:
            ConfigurationError: it is none; says what would be right, and never the password.
        """
        parts = urlsplit(url)
        if parts.scheme not in _SCHEMES:
            raise ConfigurationError(
                f"{setting}: {parts.scheme}:// is no scheme of Redis; use {', '.join(_SCHEMES)}"
            )
        kind, tls = _SCHEMES[parts.scheme]
        login, _, hosts = parts.netloc.rpartition("@")
        username, _, password = login.partition(":")
        options = dict(parse_qsl(parts.query))
        master = options.pop("master", "")
        if options:
            raise ConfigurationError(
                f"{setting}: {', '.join(options)}: no such option of a Redis URL; `master` is one"
            )
        if (kind is Kind.SENTINEL) != bool(master):
            said = (
                "name the master, ?master=main"
                if kind is Kind.SENTINEL
                else "?master= is for redis+sentinel://"
            )
            raise ConfigurationError(f"{setting}: {said}")
        return cls(
            kind,
            tuple(_host(each, _PORTS[kind.value], setting) for each in hosts.split(",")),
            tls,
            unquote(username) or None,
            unquote(password) or None,
            _database(parts, kind, setting),
            master,
        )

    def __str__(self) -> str:
        """The address without what is secret."""
        scheme = next(name for name, what in _SCHEMES.items() if what == (self.kind, self.tls))
        return f"{scheme}://{','.join(f'{host}:{port}' for host, port in self.hosts)}"

    def client(self, *, bounded: bool = True) -> Redis | RedisCluster:
        """A client for commands and scripts, which gives ``bytes``. It connects with its first command; the caller
        closes it with ``aclose``.

        A command is sent again where its connection broke or its server is no master any more, so what is sent must
        bear being done twice.

        Args:
            bounded: whether an answer may take 2 s at most. ``False`` is for callers that see to it themselves: it
                halves what a command costs this process. A cluster's client is bounded always, since that is how it
                sees that a server is gone.
        """
        common: dict[str, Any] = {
            "username": self.username, "password": self.password, "socket_timeout": _TIMEOUT_S,
            "socket_connect_timeout": _TIMEOUT_S,
        }  # fmt: skip
        retry = Retry(ExponentialWithJitterBackoff(base=0.05, cap=1.0), _RETRIES)
        if self.kind is Kind.CLUSTER:
            from redis.asyncio.cluster import ClusterNode

            nodes = [ClusterNode(host, port) for host, port in self.hosts]
            return RedisCluster(startup_nodes=nodes, ssl=self.tls, **common)
        again = {"retry": retry, "retry_on_error": _LOST, "db": self.database, "ssl": self.tls, **common}
        if not bounded:
            again["socket_timeout"] = None
        if self.kind is Kind.SENTINEL:
            return cast(Redis, self.sentinel().master_for(self.master, redis_class=_OfSentinels, **again))
        host, port = self.hosts[0]
        return Redis(host=host, port=port, **again)

    def sentinel(self) -> Sentinel:
        """The Sentinels, to ask for the master."""
        patience: dict[str, Any] = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
        return Sentinel(list(self.hosts), sentinel_kwargs=patience)  # type: ignore[no-untyped-call]


def _host(text: str, port: int, setting: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        return parts.hostname or "127.0.0.1", parts.port or port
    except ValueError:
        raise ConfigurationError(
            f"{setting}: {text!r} is no host and port; for example 10.0.0.5:6379"
        ) from None


def _database(parts: SplitResult, kind: Kind, setting: str) -> int:
    text = parts.path.strip("/")
    if not text:
        return 0
    if kind is Kind.CLUSTER or not text.isdecimal():
        said = (
            "a cluster has one database"
            if kind is Kind.CLUSTER
            else "the number of a database, for example /0"
        )
        raise ConfigurationError(f"{setting}: {parts.path!r}: {said}")
    return int(text)
