"""From the URLs of the settings to what a node shares with others."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import urlsplit

from stompede.bus import Bus, MemoryBus
from stompede.bus.kafka import KafkaAddress, KafkaBus, KafkaBusLimits
from stompede.bus.redis import RedisBus, RedisBusLimits
from stompede.errors import ConfigurationError
from stompede.messaging.destinations import Prefixes
from stompede.messaging.message import Message
from stompede.redis import RedisAddress
from stompede.redis.address import Kind
from stompede.registry import (
    ClockedRoutes,
    MemoryPresenceTable,
    MemorySessionRegistry,
)
from stompede.registry.redis import RedisPresenceTable, RedisRoutingTable, RedisSessionRegistry
from stompede.server.backends import Backends
from stompede.server.fanout import envelope
from stompede.server.fanout.publication import Publication
from stompede.server.fanout.user_channels import channel_of
from stompede.server.settings import Settings
from stompede.store import HistoryStore, MemoryHistory, MemoryQueues, QueueStore
from stompede.store.redis_history import RedisHistory
from stompede.store.redis_history_parts import RedisHistoryLimits
from stompede.store.redis_queues import RedisQueues

_SCHEMES: Final = "memory://, redis://, redis+sentinel:// or kafka://"
_KEYS: Final = "jwt_secret, jwt_public_key, jwt_jwks_file or jwt_jwks_url"


class Places:
    """Where everything is, as the settings say it.

    Args:
        settings: the settings.

    Attributes:
        shared: whether other nodes are there.
        kafka: the bus, where it is one.
        bus: the bus, where it is a Redis.
        history: of histories and queues; ``None``: in memory.
        registry: of nodes, sessions and presence; ``None``: in memory.
        routes: of the routing table; ``None``: in memory.

    Raises:
        ConfigurationError: a URL is none; or nodes that share a bus would share too little else.
    """

    def __init__(self, settings: Settings) -> None:
        scheme = urlsplit(settings.bus).scheme
        self.kafka = KafkaAddress.parse(settings.bus) if scheme.startswith("kafka") else None
        self.bus = RedisAddress.parse(settings.bus) if "redis" in scheme else None
        self.shared = self.kafka is not None or self.bus is not None
        if not self.shared and settings.bus != "memory://":
            raise ConfigurationError(f"bus: {_shown(settings.bus)} is not known; use {_SCHEMES}")
        if self.bus is not None and self.bus.kind is Kind.CLUSTER:
            raise ConfigurationError(
                "bus: a Redis Cluster cannot be the bus yet; give it as history, registry and routes, and one server "
                "or Sentinels as the bus"
            )
        self.history = _place(settings.history, "history", self.bus)
        self.registry = _place(settings.registry, "registry", self.bus)
        self.routes = _place(settings.routes, "routes", self.registry)
        if self.shared and not _has_key(settings):
            raise ConfigurationError(
                f"bus: nodes that share {_shown(settings.bus)} must accept the same tokens, and each would make a key "
                f"of its own: set {_KEYS}"
            )
        if self.shared and self.registry is None:
            raise ConfigurationError(
                "registry: nodes on Kafka find each other in a Redis; set registry=redis://..."
            )


def _place(url: str | None, setting: str, default: RedisAddress | None) -> RedisAddress | None:
    return default if url is None else RedisAddress.parse(url, setting)


def _has_key(settings: Settings) -> bool:
    keys = (settings.jwt_secret, settings.jwt_public_key, settings.jwt_jwks_file, settings.jwt_jwks_url)
    return any(key is not None for key in keys)


@contextlib.asynccontextmanager
async def routes_of(settings: Settings, places: Places, routes: ClockedRoutes) -> AsyncIterator[None]:
    """Lets routes stand in the table that all nodes share, where there is one."""
    if places.routes is None:
        yield
        return
    own, shared = routes.table, RedisRoutingTable(places.routes, namespace=f"{settings.namespace}:")
    routes.table = shared
    try:
        yield
    finally:
        routes.table = own
        await shared.aclose()


def backends_of(settings: Settings, places: Places, prefixes: Prefixes, node_id: str) -> Backends:
    """What a node shares with others; nothing is connected yet."""
    return Backends(
        node_id=node_id,
        bus=_bus(settings, places, prefixes),
        history=_history(settings, places),
        queues=_queues(settings, places, node_id),
        presence=MemoryPresenceTable(max_entries=settings.presence_entries)
        if places.registry is None
        else RedisPresenceTable(
            places.registry, namespace=f"{settings.namespace}:", max_entries=settings.presence_entries
        ),
        registry=MemorySessionRegistry()
        if places.registry is None
        else RedisSessionRegistry(places.registry, namespace=f"{settings.namespace}:"),
        shared=places.shared,
    )


def _bus(settings: Settings, places: Places, prefixes: Prefixes) -> Bus[Publication]:
    if places.kafka is not None:
        kafka = KafkaBusLimits(settings.bus_message_bytes, settings.bus_bytes, settings.bus_wait_s)
        return KafkaBus(places.kafka, envelope.dump, envelope.load, channel_of(prefixes), limits=kafka)
    if places.bus is not None:
        redis = RedisBusLimits(
            settings.bus_message_bytes, settings.bus_bytes, settings.bus_wait_s, settings.bus_deaf_s / 2
        )
        namespace = f"{settings.namespace}:"
        return RedisBus(places.bus, envelope.dump, envelope.load, namespace=namespace, limits=redis)
    return MemoryBus()


def _history(settings: Settings, places: Places) -> HistoryStore[Message]:
    if places.history is None:
        return MemoryHistory(max_destinations=settings.history_destinations, max_bytes=settings.history_bytes)
    namespace = f"{settings.namespace}:"
    carries = places.history == places.bus and places.history.kind is not Kind.CLUSTER
    return RedisHistory(
        places.history,
        envelope.dump_message,
        envelope.load_message,
        namespace=namespace,
        channel_of=(lambda destination: f"{namespace}{destination}".encode()) if carries else None,
        limits=RedisHistoryLimits(
            max_destinations=settings.history_destinations,
            max_bytes=settings.history_bytes,
            max_wait_s=settings.bus_wait_s,
            max_waiting_bytes=settings.bus_bytes,
        ),
    )


def _queues(settings: Settings, places: Places, node_id: str) -> QueueStore[Message]:
    if places.history is None:
        return MemoryQueues(
            max_queues=settings.max_queues,
            max_bytes=settings.queue_bytes,
            id_prefix=f"q{secrets.token_hex(4)}",
        )
    return RedisQueues(
        places.history,
        encode=envelope.dump_message,
        decode=envelope.load_message,
        node=node_id,
        namespace=f"{settings.namespace}:queues",
        max_queues=settings.max_queues,
        max_bytes=settings.queue_bytes,
        dead_after_s=settings.registry_ttl_s,
        patience_s=settings.bus_wait_s,
    )


def _shown(url: str) -> str:
    """A URL without what may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
