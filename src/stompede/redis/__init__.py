"""Connections to Redis: where the servers are, commands by redis-py, and a link of our own for what is hot."""

from stompede.redis.address import RedisAddress as RedisAddress

__all__ = ["RedisAddress"]
