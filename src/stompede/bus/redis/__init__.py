"""The bus of many nodes on Redis' publish and subscribe."""

from stompede.bus.redis.bus import RedisBus as RedisBus
from stompede.bus.redis.bus import RedisBusLimits as RedisBusLimits

__all__ = ["RedisBus", "RedisBusLimits"]
