"""The scripts of the history on Redis. Each is one step: nothing that another node does comes between its commands.

Keys, all with the same hash tag:

- *meta*, a hash for each destination: ``epoch``, ``top`` (the newest offset), ``first`` (the oldest that is kept),
  ``bytes`` (of what is kept), ``count`` and ``age`` (in µs,
  or empty) of its bounds, ``run`` and ``base`` (see below);
- *stream*, for each destination: entries ``offset-0`` with the item, when it came (µs), its size, its token;
- *index*, a sorted set: ``d`` and the destination, by when it was appended to last; ``b`` and an epoch, at infinity;
- *state*, a hash: ``bytes`` of all, ``birth`` (the epoch of streams that begin now), ``run``, and how many histories
  ended of each of 4096 classes of names, and the latest attempt of each node that had to send something again.

Epochs: a stream begins in the epoch *birth*, with the number of histories of its class that have ended. So one that
was evicted begins anew in another one, nothing has to be remembered of each, and a position before the first item can
be given without keeping anything. *birth* is chance, and gone with either of the index and the state.

A count that went back: a replica that became master, or a server that came back from a snapshot, may know less than it
gave away. Its run id is another one then. ``base`` is the newest offset that a destination had when a new run was first
seen; a node that was given a greater one by another run ends that epoch, as its numbers would be given twice.
"""

from __future__ import annotations

import hashlib
from typing import Final, final

_COMMON: Final = """
local META, STREAM, INDEX, STATE = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local flags, name, candidate = ARGV[1], ARGV[2], ARGV[3]
local known_epoch, known_offset, known_run = ARGV[4], tonumber(ARGV[5]), ARGV[6]
local call = redis.call
local time = call('TIME')
local now_text = time[1] .. string.format('%06d', time[2])
local now = tonumber(now_text)

local function class(of)
  return 'g' .. string.sub(redis.sha1hex(of), 1, 3)
end

local run = call('HGET', STATE, 'run')
if not run or string.find(flags, 'f', 1, true) then  -- first of a batch: INFO costs more than all the rest
  local is = string.sub(string.match(call('INFO', 'server'), 'run_id:(%w+)'), 1, 10)
  if is ~= run then call('HSET', STATE, 'run', is) end
  run = is
end

local function add_bytes(change)
  local total = call('HINCRBY', STATE, 'bytes', change)
  if total < 0 then call('HSET', STATE, 'bytes', 0) end
  return total
end

-- Ends a history. Gives the bytes that are left.
local function drop(which)
  local prefix = string.sub(META, 1, #META - #name)
  local bytes = call('HGET', prefix .. which, 'bytes')
  call('UNLINK', prefix .. which, string.sub(STREAM, 1, #STREAM - #name) .. which)
  call('ZREM', INDEX, 'd' .. which)
  call('HINCRBY', STATE, class(which), 1)
  return add_bytes(0 - (tonumber(bytes) or 0))  -- a minus zero is no integer for Redis
end

-- The epoch in which this destination would begin now.
local function beginning()
  local last = call('ZRANGE', INDEX, -1, -1)[1]
  local birth = call('HGET', STATE, 'birth')
  if not birth or last ~= 'b' .. birth then
    call('ZREMRANGEBYSCORE', INDEX, '+inf', '+inf')
    call('ZADD', INDEX, '+inf', 'b' .. candidate)
    call('HSET', STATE, 'birth', candidate)
    birth = candidate
  end
  local ended = call('HGET', STATE, class(name))
  return ended and birth .. 'g' .. ended or birth
end

-- What is known of the destination, or nil.
local function look()
  local m = call('HMGET', META, 'epoch', 'top', 'first', 'bytes', 'age', 'run', 'base', 'count')
  local at = nil
  if m[1] then
    at = {epoch = m[1], top = tonumber(m[2]), first = tonumber(m[3]), bytes = tonumber(m[4]), age = tonumber(m[5]),
          run = m[6], base = tonumber(m[7]), count = tonumber(m[8])}
    if at.run ~= run then at.run, at.base, at.changed = run, at.top, true end
    if known_epoch == at.epoch and known_run ~= run and known_offset > at.base then
      at = nil
      drop(name)
    end
  elseif call('ZSCORE', INDEX, 'd' .. name) then
    drop(name)  -- its count was taken from under us
  end
  return at
end

local function offset_of(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function too_old(at, entry)
  return at.age and now - entry[2][4] > at.age
end

local function is_kept(at, entry)
  return at.top - offset_of(entry) < at.count and not too_old(at, entry)
end
"""

_APPEND: Final = """
local item, token, channel = ARGV[7], ARGV[8], ARGV[9]
local size, count, most, age = tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12]), tonumber(ARGV[13])
local max_destinations, max_bytes, idle = tonumber(ARGV[14]), tonumber(ARGV[15]), tonumber(ARGV[16])
local again, attempt = string.find(flags, 'a', 1, true), tonumber(string.match(flags, '%d+'))

-- What was sent again must not be done once more when what was sent first arrives at last, over a connection given up.
local node = 'n' .. string.sub(token, 1, 8)
local latest = tonumber(call('HGET', STATE, node) or 0)
if attempt < latest then return redis.error_reply('ERR sent again since') end
if again and attempt > latest then call('HSET', STATE, node, attempt) end

local at = look()
if at and again then  -- was it done before the connection broke?
  for _, entry in ipairs(call('XREVRANGE', STREAM, '+', '-', 'COUNT', 1000)) do
    if entry[2][8] == token then return {at.epoch, offset_of(entry), run, 0} end
  end
end

local began = not at
if began then
  call('UNLINK', STREAM)
  at = {epoch = beginning(), top = 0, first = 1, bytes = 0, run = run, base = 0}
end
local before = at.bytes
local changed = began or at.changed or at.age ~= age or at.count ~= count
at.top = at.top + 1
local id = string.format('%.0f', at.top)

-- Drops the oldest until no more than so many bytes are left, and what count and age say.
local function trim(bytes)
  local moved = false
  local fits = false
  local some = at.top - at.first + 1 - count
  while at.first < at.top and not fits do
    some = math.max(1, math.min(100, some))
    for _, entry in ipairs(call('XRANGE', STREAM, at.first, '+', 'COUNT', some)) do
      local offset = offset_of(entry)
      if offset >= at.top then
        at.first, at.bytes, moved = at.top, size, true
      elseif at.top - offset >= count or at.bytes > bytes or too_old(at, entry) then
        at.first, at.bytes, moved = offset + 1, at.bytes - entry[2][6], true
      else
        fits = true
        break
      end
    end
    some = some * 2
  end
  if moved then call('XTRIM', STREAM, 'MINID', at.first) end
end

if size > math.min(most, max_bytes) or count < 1 then
  call('UNLINK', STREAM)
  at.first, at.bytes = at.top + 1, 0
else
  call('XADD', STREAM, id .. '-0', 'i', item, 'a', now_text, 's', ARGV[10], 't', token)
  at.bytes = at.bytes + size
  local spare = math.min(64, math.floor(count / 8))  -- some at once; who reads does not see them
  if at.top - at.first >= count + spare or at.bytes > most or age and at.top % 16 == 0 then
    at.age = age
    trim(most)
  end
  if age then
    call('PEXPIRE', STREAM, math.ceil(age / 1000) + 1000)
  elseif at.age then
    call('PERSIST', STREAM)
  end
end

call('ZADD', INDEX, now_text, 'd' .. name)
local total = add_bytes(at.bytes - before)
local evicted = 0
while (began or total > max_bytes) and evicted < 100 do
  local oldest = call('ZRANGE', INDEX, 0, 0, 'WITHSCORES')
  if oldest[1] == 'd' .. name then
    if total > max_bytes then
      before = at.bytes
      trim(at.bytes - (total - max_bytes))
      add_bytes(at.bytes - before)
    end
    break
  end
  if not (total > max_bytes or call('ZCARD', INDEX) - 1 > max_destinations
          or idle > 0 and now - oldest[2] > idle) then
    break
  end
  total = drop(string.sub(oldest[1], 2))
  evicted = evicted + 1
end
if changed then
  call('HSET', META, 'epoch', at.epoch, 'top', id, 'first', at.first, 'bytes', at.bytes, 'age', ARGV[13],
       'count', count, 'run', at.run, 'base', at.base)
else
  call('HSET', META, 'top', id, 'first', at.first, 'bytes', at.bytes)
end
if channel ~= '' then
  local head = string.sub(item, 1, -2)
  call('PUBLISH', channel, head .. (head == '{' and '' or ',') .. '"id":"' .. at.epoch .. '-' .. id .. '"}')
end
return {at.epoch, at.top, run, evicted}
"""

_READ: Final = """
local back, epoch, offset, limit = ARGV[7] == 'back', ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10])
local PAGE_BYTES = 1048576
local at = look()
if not at then
  local first = beginning()
  return {first, 0, run, (back or epoch == first and offset == 0) and 1 or 0, 0}
end
local answer = {at.epoch, at.top, run, 1, 0}

local function incomplete()
  return {at.epoch, at.top, run, 0, 0}
end

if back and offset < 0 then offset = at.top + 1 end
if not back and (epoch ~= at.epoch or offset > at.top) then return incomplete() end
if back and epoch ~= '' and epoch ~= at.epoch then return answer end
local step = back and -1 or 1
local following, bytes, asked = offset + step, 0, limit
if not back and limit == 0 then asked = 1 end
while asked > 0 and following <= at.top and following > 0 do
  local some = math.min(asked, 64)
  local entries
  if back then
    entries = call('XREVRANGE', STREAM, following, '-', 'COUNT', some)
  else
    entries = call('XRANGE', STREAM, following, '+', 'COUNT', some)
    if #entries == 0 then return incomplete() end
  end
  for _, entry in ipairs(entries) do
    if offset_of(entry) ~= following or not is_kept(at, entry) then
      if back then return answer end
      return incomplete()
    end
    if limit == 0 then return answer end
    if bytes >= PAGE_BYTES then
      answer[5] = 1
      return answer
    end
    answer[#answer + 1] = entry[2][2]
    bytes = bytes + #entry[2][2]
    following = following + step
  end
  asked = asked - some
  if #entries < some then break end
end
return answer
"""

_TIDY: Final = """
local idle = tonumber(ARGV[7])
local evicted = 0
while idle > 0 and evicted < 100 do
  local oldest = call('ZRANGE', INDEX, 0, 0, 'WITHSCORES')
  if not oldest[1] or not (now - oldest[2] > idle) then break end
  drop(string.sub(oldest[1], 2))
  evicted = evicted + 1
end
return {run, evicted}
"""


@final
class Script:
    """A script and the name under which Redis remembers it.

    Args:
        source: what stands behind the common part.
    """

    def __init__(self, source: str) -> None:
        self.source = (_COMMON + source).encode()
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest().encode()


APPEND: Final = Script(_APPEND)
READ: Final = Script(_READ)
TIDY: Final = Script(_TIDY)
