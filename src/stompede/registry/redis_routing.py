"""The routing table of many nodes: Redis.

An entry is a key of Redis, which the server ends by itself, so `get` is a GET. Beside them stands one sorted set of all
keys by when they end: as ended keys say nothing when they go, it is what knows how many there are. Each enter takes a
few ended ones out of it.
"""

from __future__ import annotations

from typing import Final, final

from stompede.errors import LimitError
from stompede.redis.address import RedisAddress
from stompede.redis.commands import Commands, Script
from stompede.registry.routing import RoutingStatistics

_FULL: Final = -1

# KEYS: entry, ends. ARGV: key, URL, life in ms, most entries, and what is expected, if anything is ("=url", or "" for
# nothing).
_ENTER: Final = """
local entry, ends = KEYS[1], KEYS[2]
local key, url, life, most, expected = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local current = redis.call('GET', entry)
if expected and expected ~= (current and '=' .. current or '') then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not current then
  local full = redis.call('ZCARD', ends) >= most
  local ended = redis.call('ZRANGEBYSCORE', ends, '-inf', now, 'LIMIT', 0, full and 1000 or 10)
  if #ended > 0 then redis.call('ZREM', ends, unpack(ended)) end
  if redis.call('ZCARD', ends) >= most and not redis.call('ZSCORE', ends, key) then return -1 end
end
redis.call('SET', entry, url, 'PX', life)
redis.call('ZADD', ends, now + life, key)
return 1"""
_LEAVE: Final = """
local current = redis.call('GET', KEYS[1])
if not current or (ARGV[2] and ARGV[2] ~= current) then return 0 end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1"""


def _told_once(text: str) -> Script:
    """The script, for calls that have to know whether it was they who changed something."""
    return Script(text.replace("return 1", "return 1, true"), once=True)


_ENTER_ANYHOW: Final = Script(_ENTER)
_ENTER_IF: Final = _told_once(_ENTER)
_LEAVE_ONCE: Final = _told_once(_LEAVE)


@final
class RedisRoutingTable:
    """A routing table in Redis; the promises are those of `RoutingTable`. It goes by the server's clock.

    Each call is one script, sent again where its answer was lost, and then told what the first run did. The whole table
    has one hash tag: in a cluster it stands on one shard. A call ends with `BusError` where Redis does not answer or
    takes no writes; it may have taken effect or not.

    Args:
        address: where Redis is.
        namespace: how its keys begin, no braces in it: systems that share a Redis do not meet.
        max_entries: most keys, of all nodes; all of them say the same.
        timeout_s: how long an attempt may take.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        namespace: str = "stompede:",
        max_entries: int = 1_000_000,
        timeout_s: float = 4.0,
    ) -> None:
        self._redis = Commands(address, timeout_s=timeout_s)
        self._tag = f"{{{namespace}routes}}"
        self._max_entries = max_entries
        self._entered = self._refused = self._lost = 0

    async def enter(self, key: str, node_url: str, *, ttl_s: float, now: float) -> None:  # noqa: ARG002 - server's clock
        """Point a key to a node; see `RoutingTable`."""
        await self._enter(_ENTER_ANYHOW, key, node_url, ttl_s)

    async def enter_if(
        self,
        key: str,
        expected: str | None,
        node_url: str,
        *,
        ttl_s: float,
        now: float,  # noqa: ARG002 - server's clock
    ) -> bool:
        """Point a key to a node if it points to ``expected``; see `RoutingTable`."""
        return await self._enter(_ENTER_IF, key, node_url, ttl_s, "" if expected is None else f"={expected}")

    async def get(self, key: str, *, now: float) -> str | None:  # noqa: ARG002 - server's clock
        """The URL of the node that serves the key, or ``None``."""
        url: bytes | None = await self._redis.call("GET", self._entry(key))
        return None if url is None else url.decode()

    async def leave(self, key: str, *, now: float) -> bool:  # noqa: ARG002 - server's clock
        """Take a key out; see `RoutingTable`."""
        return bool(await self._redis.run(_LEAVE_ONCE, self._keys(key), key))

    async def leave_if(self, key: str, expected: str, *, now: float) -> bool:  # noqa: ARG002 - server's clock
        """Take a key out if it points to ``expected``; see `RoutingTable`."""
        left = bool(await self._redis.run(_LEAVE_ONCE, self._keys(key), key, expected))
        self._lost += not left
        return left

    def statistics(self) -> RoutingStatistics:
        """Counters for metrics."""
        return RoutingStatistics(None, self._entered, self._refused, self._lost)

    async def aclose(self) -> None:
        """Disconnects; entries stay until they end. Idempotent."""
        await self._redis.aclose()

    async def _enter(self, script: Script, key: str, url: str, ttl_s: float, *expected: str) -> bool:
        life_ms = max(round(ttl_s * 1000), 1)
        said = await self._redis.run(script, self._keys(key), key, url, life_ms, self._max_entries, *expected)
        if said == _FULL:
            self._refused += 1
            raise LimitError("routing table entries", self._max_entries)
        self._entered += said
        self._lost += not said
        return bool(said)

    def _entry(self, key: str) -> str:
        return f"{self._tag}:key:{key}"

    def _keys(self, key: str) -> tuple[str, str]:
        return self._entry(key), f"{self._tag}:ends"
