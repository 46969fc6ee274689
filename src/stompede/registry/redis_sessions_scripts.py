"""What the session registry asks of Redis. Keys are life, sessions, users, sessions:new, users:new, all of one node."""

from __future__ import annotations

from typing import Final

from stompede.redis.commands import Script

# Arguments after a number of them, in slices: a call of Lua takes some thousands at most.
_COMMON: Final = """
local function each(command, key, first, last, width)
  for i = first, last, 500 * width do
    redis.call(command, key, unpack(ARGV, i, math.min(last, i + 500 * width - 1)))
  end
end
local function name(key, first)
  local scored = {}
  for i = first, #ARGV do scored[#scored + 1] = 0; scored[#scored + 1] = ARGV[i] end
  for i = 1, #scored, 1000 do
    redis.call('ZADD', key, unpack(scored, i, math.min(#scored, i + 999)))
  end
end
local function note(batch)
  local held, named = redis.call('HLEN', KEYS[2]), redis.call('ZCARD', KEYS[3])
  redis.call('HSET', KEYS[1], 'batch', batch, 'held', held, 'named', named)
  redis.call('PEXPIRE', KEYS[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[3], ARGV[1])
end
"""

# ARGV: info, life in ms, how long the rest is held in ms, batch. Says whether all is there. A server whose memory is
# full refuses HSET as the first thing that a script writes, and not after PEXPIRE: the life of a node goes on.
REFRESH: Final = Script("""
local life = redis.call('HMGET', KEYS[1], 'batch', 'held', 'named')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('HSET', KEYS[1], 'info', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return life[1] == ARGV[4] and tonumber(life[2]) == redis.call('HLEN', KEYS[2])
  and tonumber(life[3]) == redis.call('ZCARD', KEYS[3]) and 1 or 0""")

# ARGV: how long to hold in ms, batch, number who left, their keys, number of names that left, names, number who
# entered, their keys and values, names that entered.
UPDATE: Final = Script(
    _COMMON
    + """
local last = redis.call('HGET', KEYS[1], 'batch')
if not last or (last ~= ARGV[2] and tonumber(last) ~= tonumber(ARGV[2]) - 1) then return 0 end
local at = 3
local left = tonumber(ARGV[at])
each('HDEL', KEYS[2], at + 1, at + left, 1)
at = at + left + 1
local names = tonumber(ARGV[at])
each('ZREM', KEYS[3], at + 1, at + names, 1)
at = at + names + 1
local entered = tonumber(ARGV[at])
each('HSET', KEYS[2], at + 1, at + 2 * entered, 2)
name(KEYS[3], at + 2 * entered + 1)
note(ARGV[2])
return 1"""
)

# ARGV: how long to hold in ms, which part, number of sessions, their keys and values, names.
REPLACE: Final = Script(
    _COMMON
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[2] == '0' then redis.call('UNLINK', KEYS[4], KEYS[5]) end
local sessions = tonumber(ARGV[3])
each('HSET', KEYS[4], 4, 3 + 2 * sessions, 2)
name(KEYS[5], 4 + 2 * sessions)
redis.call('PEXPIRE', KEYS[4], ARGV[1])
redis.call('PEXPIRE', KEYS[5], ARGV[1])
return 1"""
)

# ARGV: how long to hold in ms, batch. A second run would find nothing to put in place.
REPLACED: Final = Script(
    _COMMON
    + """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('UNLINK', KEYS[2], KEYS[3])
for i = 4, 5 do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('RENAME', KEYS[i], KEYS[i - 2]) end
end
note(ARGV[2])
return 1, true""",
    once=True,
)

# ARGV: whether it may be alive. Says whether the node is gone.
END: Final = Script("""
if ARGV[1] == '0' and redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('UNLINK', unpack(KEYS))
return 1""")

# ARGV: where to go on, about how many.
PAGE: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {'0', {}} end
return redis.call('HSCAN', KEYS[2], ARGV[1], 'COUNT', ARGV[2])""")

# ARGV: name and FF, how many at most, how keys of the node's sessions begin.
OF_USER: Final = Script("""
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
local ending = string.sub(ARGV[1], 1, -2) .. '\\255\\255'
local found = redis.call('ZRANGEBYLEX', KEYS[3], '[' .. ARGV[1], '(' .. ending, 'LIMIT', 0, ARGV[2])
local said = {}
for _, entry in ipairs(found) do
  local key = ARGV[3] .. string.sub(entry, #ARGV[1] + 1)
  local value = redis.call('HGET', KEYS[2], key)
  if value then said[#said + 1] = key; said[#said + 1] = value end
end
return said""")

# ARGV: key of a session.
FIND: Final = Script("""
local value = redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HGET', KEYS[2], ARGV[1])
return value and {ARGV[1], value} or {}""")

COUNT: Final = Script("return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('HLEN', KEYS[2]) or 0")
