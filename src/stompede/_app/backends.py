"""From the URLs of the settings to what a node shares with others."""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlsplit

from stompede.bus import Bus, MemoryBus
from stompede.bus.kafka import KafkaAddress, KafkaBus, KafkaBusLimits
from stompede.bus.redis import RedisBus, RedisBusLimits
from stompede.errors import ConfigurationError
from stompede.messaging.destinations import Prefixes
from stompede.redis import RedisAddress
from stompede.registry import MemoryPresenceTable, MemoryRoutingTable
from stompede.server.backends import Backends
from stompede.server.fanout import envelope
from stompede.server.fanout.publication import Publication
from stompede.server.fanout.user_channels import channel_of
from stompede.server.settings import Settings
from stompede.store import MemoryHistory
from stompede.store.memory_queues import MemoryQueues

_SCHEMES: Final = "memory://, redis://, redis+sentinel://, redis+cluster:// or kafka://"
_KEYS: Final = "jwt_secret, jwt_public_key, jwt_jwks_file or jwt_jwks_url"


def backends_of(settings: Settings, prefixes: Prefixes) -> Backends:
    """What the settings ask for; nothing is connected yet.

    Raises:
        ConfigurationError: a URL is none, or nodes that share something would not trust each other's tokens.
    """
    bus, shared = _bus(settings, prefixes)
    if shared and not _has_key(settings):
        raise ConfigurationError(
            f"bus: nodes that share {_shown(settings.bus)} must accept the same tokens, and each would make a key of "
            f"its own: set {_KEYS}"
        )
    return Backends(
        bus=bus,
        history=MemoryHistory(
            max_destinations=settings.history_destinations, max_bytes=settings.history_bytes
        ),
        queues=MemoryQueues(
            max_queues=settings.max_queues,
            max_bytes=settings.queue_bytes,
            id_prefix=f"q{secrets.token_hex(4)}",
        ),
        presence=MemoryPresenceTable(max_entries=settings.presence_entries),
        routes=MemoryRoutingTable(),
        shared=shared,
    )


def _has_key(settings: Settings) -> bool:
    keys = (settings.jwt_secret, settings.jwt_public_key, settings.jwt_jwks_file, settings.jwt_jwks_url)
    return any(key is not None for key in keys)


def _bus(settings: Settings, prefixes: Prefixes) -> tuple[Bus[Publication], bool]:
    scheme = urlsplit(settings.bus).scheme
    if scheme == "memory":
        return MemoryBus(), False
    if scheme.startswith("redis"):
        return _redis_bus(settings), True
    if scheme.startswith("kafka"):
        kafka_limits = KafkaBusLimits(
            max_item_bytes=settings.bus_message_bytes,
            max_waiting_bytes=settings.bus_bytes,
            max_wait_s=settings.bus_wait_s,
        )
        address = KafkaAddress.parse(settings.bus)
        return KafkaBus(
            address, envelope.dump, envelope.load, channel_of(prefixes), limits=kafka_limits
        ), True
    raise ConfigurationError(f"bus: {_shown(settings.bus)} is not known; use {_SCHEMES}")


def _redis_bus(settings: Settings) -> RedisBus[Publication]:
    limits = RedisBusLimits(
        max_item_bytes=settings.bus_message_bytes,
        max_waiting_bytes=settings.bus_bytes,
        max_wait_s=settings.bus_wait_s,
        silence_s=settings.bus_deaf_s / 2,
    )
    address = RedisAddress.parse(settings.bus)
    return RedisBus(address, envelope.dump, envelope.load, namespace=f"{settings.namespace}:", limits=limits)


def _shown(url: str) -> str:
    """A URL without what may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
