"""Routing table, presence table and session registry of many nodes, in Redis."""

from stompede.registry.redis_presence import RedisPresenceTable as RedisPresenceTable
from stompede.registry.redis_routing import RedisRoutingTable as RedisRoutingTable
from stompede.registry.redis_sessions import RedisSessionRegistry as RedisSessionRegistry

__all__ = ["RedisPresenceTable", "RedisRoutingTable", "RedisSessionRegistry"]
