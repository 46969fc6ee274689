"""The presence table of many nodes: Redis.

All keys of a table have one hash tag, and each of its calls is one script or a few, so every change is atomic and in a
cluster the table stands on one shard. With ``{tag}`` for ``{namespace presence}`` it is made of:

- ``{tag}:nodes``, a sorted set: when each node's life ends, in milliseconds of the server's clock;
- ``{tag}:on:<destination>``, a hash: member to the ways by which it is there, ``[node, info, ...]`` in MessagePack,
  the newest last;
- ``{tag}:guests:<destination>``, a hash: node to number, and ``+`` to their sum;
- ``{tag}:of:<node>`` and ``{tag}:guestsof:<node>``, sets: what the node has entered, so that it can be taken out;
- ``{tag}:entries``, a number: how many there are;
- ``{tag}:told``, a hash: node to the number of its last update, by which it sees that a server lost its last moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, islice
from typing import Any, Final, Literal, final

import msgspec

from stompede.redis.address import RedisAddress
from stompede.redis.commands import Arg, Commands, Script
from stompede.registry.presence import (
    Change,
    Counts,
    Enter,
    Guests,
    Here,
    Leave,
    Outcome,
    PresenceTableStatistics,
)

_CHUNK: Final = 200  # changes of one script: it keeps others out for about a millisecond
_PAGE: Final = 500  # members of one script
_WHATS: Final[dict[bytes, Literal["join", "leave", "guests", "none", "full"]]] = {
    b"join": "join", b"leave": "leave", b"guests": "guests", b"none": "none", b"full": "full",
}  # fmt: skip

# What both scripts that change something begin with. KEYS[1] is the set of nodes, ARGV[1] the tag.
_COMMON: Final = """
local nodes, tag = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said, changed = {}, false

local function tell(what, destination, user, info)
  local sum = tonumber(redis.call('HGET', tag .. ':guests:' .. destination, '+') or 0)
  said[#said + 1] = {what, destination, user or '', info or '', redis.call('HLEN', tag .. ':on:' .. destination), sum}
  changed = changed or (what ~= 'none' and what ~= 'full')
end

local function leave(node, destination, user)
  local entry = string.len(destination) .. ':' .. destination .. user
  if redis.call('SREM', tag .. ':of:' .. node, entry) == 0 then return tell('none', destination, user) end
  redis.call('DECR', tag .. ':entries')
  local on, info = tag .. ':on:' .. destination, ''
  local ways, rest = redis.call('HGET', on, user), {}
  ways = ways and cmsgpack.unpack(ways) or {}
  for i = 1, #ways, 2 do
    if ways[i] ~= node then rest[#rest + 1] = ways[i]; rest[#rest + 1] = ways[i + 1] end
    info = ways[i + 1]
  end
  if #rest > 0 then redis.call('HSET', on, user, cmsgpack.pack(rest)) else redis.call('HDEL', on, user) end
  changed = true
  tell(#rest > 0 and 'none' or 'leave', destination, user, info)
end

local function guests(node, destination, number)
  local key = tag .. ':guests:' .. destination
  local before = tonumber(redis.call('HGET', key, node) or 0)
  if number == before then return tell('none', destination) end
  if number > 0 then
    redis.call('HSET', key, node, number)
    redis.call('SADD', tag .. ':guestsof:' .. node, destination)
  else
    redis.call('HDEL', key, node)
    redis.call('SREM', tag .. ':guestsof:' .. node, destination)
  end
  if redis.call('HINCRBY', key, '+', number - before) == 0 then redis.call('DEL', key) end
  tell('guests', destination)
end
"""

# ARGV: tag, node, most entries, whether it goes on with an update that began within the node's life, number of the
# update; then of each change e/l/g, destination, member or number, info.
_UPDATE: Final = Script(
    _COMMON
    + """
local node, most = ARGV[2], tonumber(ARGV[3])
local ends = redis.call('ZSCORE', nodes, node)
if not ends or tonumber(ends) <= now then
  if ARGV[4] == '0' then return false end
  redis.call('ZADD', nodes, 'NX', 0, node)  -- so that `expire` takes the rest of the update out, too
end

local function enter(destination, user, info)
  local on = tag .. ':on:' .. destination
  local entry = string.len(destination) .. ':' .. destination .. user
  local ways = redis.call('HGET', on, user)
  if not ways then
    if tonumber(redis.call('GET', tag .. ':entries') or 0) >= most then return tell('full', destination, user) end
    redis.call('HSET', on, user, cmsgpack.pack({node, info}))
    if redis.call('SADD', tag .. ':of:' .. node, entry) == 1 then redis.call('INCR', tag .. ':entries') end
    return tell('join', destination, user)
  end
  if redis.call('SISMEMBER', tag .. ':of:' .. node, entry) == 0 then
    if tonumber(redis.call('GET', tag .. ':entries') or 0) >= most then return tell('full', destination, user) end
    redis.call('SADD', tag .. ':of:' .. node, entry)
    redis.call('INCR', tag .. ':entries')
  end
  local known, rest = cmsgpack.unpack(ways), {}
  for i = 1, #known, 2 do
    if known[i] ~= node then rest[#rest + 1] = known[i]; rest[#rest + 1] = known[i + 1] end
  end
  rest[#rest + 1] = node
  rest[#rest + 1] = info
  redis.call('HSET', on, user, cmsgpack.pack(rest))
  tell('none', destination, user)
end

for i = 6, #ARGV, 4 do
  local what, destination, value = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if what == 'e' then enter(destination, value, ARGV[i + 3])
  elseif what == 'l' then leave(node, destination, value)
  else guests(node, destination, tonumber(value)) end
end
redis.call('PERSIST', nodes)  -- see `_REFRESH`
redis.call('HSET', tag .. ':told', node, ARGV[5])
return said, changed""",
    once=True,
)

# ARGV: tag, most entries to take out.
_EXPIRE: Final = Script(
    _COMMON
    + """
local left, taken = tonumber(ARGV[2]), 0
for _, node in ipairs(redis.call('ZRANGEBYSCORE', nodes, '-inf', now)) do
  local entries = left > 0 and redis.call('SRANDMEMBER', tag .. ':of:' .. node, left) or {}
  for _, entry in ipairs(entries) do
    local colon = string.find(entry, ':', 1, true)
    local length = tonumber(string.sub(entry, 1, colon - 1))
    leave(node, string.sub(entry, colon + 1, colon + length), string.sub(entry, colon + length + 1))
  end
  left, taken = left - #entries, taken + #entries
  local rooms = left > 0 and redis.call('SRANDMEMBER', tag .. ':guestsof:' .. node, left) or {}
  for _, destination in ipairs(rooms) do guests(node, destination, 0) end
  left = left - #rooms
  if redis.call('EXISTS', tag .. ':of:' .. node, tag .. ':guestsof:' .. node) == 0 then
    redis.call('ZREM', nodes, node)
    redis.call('HDEL', tag .. ':told', node)
    changed = true
  end
  if left <= 0 then break end
end
return {taken, said}, changed""",
    once=True,
)

# KEYS: nodes, told. ARGV: node, life in ms, number of the last update that was taken. A server whose memory is full
# refuses ZADD as the first thing that a script writes, and not after PERSIST, which changes nothing: a life goes on.
_REFRESH: Final = Script(
    """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('PERSIST', KEYS[1])
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local told = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0)
return {ends and tonumber(ends) > now and told >= tonumber(ARGV[3]) and 1 or 0}, true""",
    once=True,
)

# KEYS: members, guests.
_COUNT: Final = Script(
    "return {redis.call('HLEN', KEYS[1]), tonumber(redis.call('HGET', KEYS[2], '+') or 0)}"
)

# KEYS: members. ARGV: where to go on, about how many.
_MEMBERS: Final = Script("""
local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local flat = page[2]
for i = 2, #flat, 2 do
  local ways = cmsgpack.unpack(flat[i])
  flat[i] = ways[#ways]
end
return page""")


@final
class RedisPresenceTable:
    """A presence table in Redis; the promises are those of `PresenceTable`. It goes by the server's clock.

    A script whose answer was lost with its connection is sent again, and then says what the first run did: no join and
    no leave is lost by that. A call ends with `BusError` where Redis does not answer or takes no writes; it may have
    taken effect, or in part.

    Args:
        address: where Redis is.
        namespace: how its keys begin, no braces in it: systems that share a Redis do not meet.
        max_entries: most members times destinations times nodes; all nodes say the same.
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
        self._tag = f"{{{namespace}presence}}"
        self._nodes = f"{self._tag}:nodes"
        self._max_entries = max_entries
        self._numbers = count(1)
        self._told: dict[str, int] = {}  # node to the number of its last update that was taken
        self._refused = self._expired = 0

    async def refresh(self, node_id: str, *, ttl_s: float, now: float) -> bool:  # noqa: ARG002 - server's clock
        """Begin a node's life, or let it go on; see `PresenceTable`."""
        life_ms = max(round(ttl_s * 1000), 1)
        keys, told = (self._nodes, f"{self._tag}:told"), self._told.get(node_id, 0)
        alive = bool((await self._redis.run(_REFRESH, keys, node_id, life_ms, told))[0])
        if not alive:
            self._told.pop(node_id, None)
        return alive

    async def update(
        self,
        node_id: str,
        changes: Sequence[Change],
        *,
        now: float,  # noqa: ARG002 - server's clock
    ) -> list[Outcome] | None:
        """Take changes of a node; see `PresenceTable`. Many leave in several scripts."""
        outcomes: list[Outcome] = []
        for first in range(0, max(len(changes), 1), _CHUNK):
            part, number = changes[first : first + _CHUNK], next(self._numbers)
            said = await self._redis.run(
                _UPDATE,
                (self._nodes,),
                self._tag,
                node_id,
                self._max_entries,
                "1" if first else "0",
                number,
                *[arg for change in part for arg in _args(change)],
            )
            if said is None:
                return None
            self._told[node_id] = max(number, self._told.get(node_id, 0))
            outcomes += [_with_info(_outcome(one), change) for one, change in zip(said, part, strict=True)]
        self._refused += sum(outcome.what == "full" for outcome in outcomes)
        return outcomes

    async def members(self, destination: str, *, limit: int, now: float) -> list[Here]:  # noqa: ARG002 - server's clock
        """At most ``limit`` members of a destination. It reads in parts: who comes or goes meanwhile is in or not."""
        found: dict[bytes, bytes] = {}
        key, cursor = f"{self._tag}:on:{destination}", b"0"
        while limit > 0:
            cursor, flat = await self._redis.run(_MEMBERS, (key,), cursor, min(limit, _PAGE))
            found.update(zip(flat[::2], flat[1::2], strict=True))
            if cursor == b"0" or len(found) >= limit:
                break
        return [Here(user.decode(), info) for user, info in islice(found.items(), limit)]

    async def count(self, destination: str, *, now: float) -> Counts:  # noqa: ARG002 - server's clock
        """How many are on a destination."""
        keys = (f"{self._tag}:on:{destination}", f"{self._tag}:guests:{destination}")
        return Counts(*await self._redis.run(_COUNT, keys))

    async def expire(self, *, limit: int, now: float) -> list[Outcome]:  # noqa: ARG002 - server's clock
        """Take out what dead nodes left behind; see `PresenceTable`."""
        outcomes: list[Outcome] = []
        while limit > 0:
            part = min(limit, _CHUNK)
            taken, said = await self._redis.run(_EXPIRE, (self._nodes,), self._tag, part)
            self._expired += taken
            outcomes += [_outcome(one) for one in said]
            limit -= part
            if len(said) < part:
                break
        return [outcome for outcome in outcomes if outcome.what != "none"]

    def statistics(self) -> PresenceTableStatistics:
        """Figures of this node; what it holds is not counted."""
        return PresenceTableStatistics(None, self._refused, self._expired)

    async def aclose(self) -> None:
        """Disconnects; what was entered stays until the node's life ends. Idempotent."""
        await self._redis.aclose()


def _args(change: Change) -> tuple[Arg, ...]:
    match change:
        case Enter():
            return "e", change.destination, change.user, change.info
        case Leave():
            return "l", change.destination, change.user, b""
        case Guests():
            return "g", change.destination, change.count, b""


def _outcome(said: list[Any]) -> Outcome:
    what, destination, user, info, members, guests = said
    kind = _WHATS[what]
    counts = Counts(members, guests)
    if kind == "guests":
        return Outcome(kind, destination.decode(), counts)
    return Outcome(kind, destination.decode(), counts, user.decode(), info)


def _with_info(outcome: Outcome, change: Change) -> Outcome:
    """What the caller knows already does not travel back."""
    match change:
        case Enter():
            return msgspec.structs.replace(outcome, info=change.info)
        case Guests():
            return msgspec.structs.replace(outcome, user=None, info=b"null")
        case Leave():
            return outcome if outcome.info else msgspec.structs.replace(outcome, info=b"null")
