-- One turn of one node: everything that it wanted of its queues meanwhile, in the order of the calls.
--
-- Keys, all beginning with KEYS[1] = "{namespace}", so that they stand in one slot of a cluster:
--   ""              hash    last: number of the newest message; queues, waiting, taken, bytes: of all queues;
--                           seen: when a node last looked after the others; grace: nobody counts as dead before
--   :q:<queue>      stream  messages, with one consumer group
--   :s:<queue>      hash    n: messages, t: of those taken, b and tb: their bytes
--   :ends           zset    queues whose messages have an end -> when to look for one that is over
--   :nodes          zset    nodes -> when they last spoke, ms of this server
--   :node:<node>    hash    n: number of its last turn, r: what came of it
--   :held:<node>    hash    queues -> how many messages it has taken from each
--   :watch:<queue>  set     nodes to tell when messages wait;  :watching:<node> the same by nodes
--   :wake:<node>    zset    queues that it has to be told of, oldest first
--
-- A message's id is "<number>-<bytes>". Numbers grow through all queues and are never below the clock in µs, so that
-- they stay unique where a server has forgotten its last moment, or everything. The bytes stand there because
-- settling and giving back need them, and would have to read the message else.
--
-- In the group a node's messages are pending for the consumer of its name. Those that were given back are pending for
-- the consumer BACK, which nobody is: they come before all that the group has not delivered yet, in the order of the
-- stream. The delivery count of an entry is 1 + 2 * deliveries that count + (1 if a consumer may have seen it).
--
-- A turn has a number. One that comes again, because its answer was lost, is answered from what was kept of it; one
-- that comes after a later one is ignored. What was taken for a turn whose answer the node never got goes back.

local P, BACK, PORTION = KEYS[1], '-', 100
local HANDFUL, HANDFUL_BYTES = 32, 1024 * 1024  -- how much is taken in one step before the bytes are looked at
local call = redis.call
local turn = cmsgpack.unpack(ARGV[1])
local node, number, learnt = turn[1], turn[2], turn[3]
local max_queues, max_bytes, dead_ms, wanted = turn[4], turn[5], turn[6], turn[7]
local clock = call('TIME')
local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local now_ms = math.floor(now_us / 1000)
local node_key, held_key = P .. ':node:' .. node, P .. ':held:' .. node
local queues, touched, wakes, outcomes = {}, {}, {}, {}
local meta, out_of_memory, gone_away = {}, false, false

local function size_of(id) return tonumber(string.match(id, '%-(%d+)$')) end

-- The state of a queue: read once, written at the end of the turn.
local function queue_of(name)
  local q = queues[name]
  if q == nil then
    local s = call('HMGET', P .. ':s:' .. name, 'n', 't', 'b', 'tb')
    q = {name = name, key = P .. ':q:' .. name, n = tonumber(s[1]) or 0, t = tonumber(s[2]) or 0,
         b = tonumber(s[3]) or 0, tb = tonumber(s[4]) or 0}
    q.made = q.n > 0
    queues[name] = q
  end
  return q
end

local function change(q, n, t, b, tb)
  local there = q.n > 0
  q.n, q.t, q.b, q.tb, q.changed = q.n + n, q.t + t, q.b + b, q.tb + tb, true
  meta.taken, meta.waiting, meta.bytes = meta.taken + t, meta.waiting + n - t, meta.bytes + b
  if there ~= (q.n > 0) then meta.queues = meta.queues + (there and -1 or 1) end
end

local function write_back()
  for name, q in pairs(queues) do
    if q.changed and q.n > 0 then
      call('HSET', P .. ':s:' .. name, 'n', q.n, 't', q.t, 'b', q.b, 'tb', q.tb)
    elseif q.changed then
      call('DEL', q.key, P .. ':s:' .. name)
      call('ZREM', P .. ':ends', name)
    end
  end
  call('HSET', P, 'last', string.format('%.0f', meta.last), 'queues', meta.queues, 'waiting', meta.waiting,
       'taken', meta.taken, 'bytes', string.format('%.0f', meta.bytes))
end

-- The delivery count of a message that somebody has; nil where somebody else has it, or nobody.
local function count_of(q, id, who)
  if not q.made then return nil end
  local found = call('XPENDING', q.key, 'g', id, id, 1, who)
  return found[1] and found[1][4]
end

local function hold(q, who, count)
  if count == 0 then return end
  local key = P .. ':held:' .. who
  if call('HINCRBY', key, q.name, count) <= 0 then
    call('HDEL', key, q.name)
    call('XGROUP', 'DELCONSUMER', q.key, 'g', who)
  end
end

local function remove(q, id)
  call('XACK', q.key, 'g', id)
  call('XDEL', q.key, id)
end

local function end_of(q, id)
  return call('XRANGE', q.key, id, id)[1][2][4]
end

-- A message waits again, before all that were never taken.
local function back(q, id, count, delivered, counted)
  local seen = (count - 1) % 2
  if delivered then count = count - seen + 1 + (counted and 2 or 0) end
  call('XCLAIM', q.key, 'g', BACK, 0, id, 'RETRYCOUNT', count, 'JUSTID')
  change(q, 0, -1, 0, -size_of(id))
  if q.mortal == nil then q.mortal = call('ZSCORE', P .. ':ends', q.name) and true end
  local over = q.mortal and end_of(q, id)
  if over then call('ZADD', P .. ':ends', 'LT', over, q.name) end
  touched[q.name] = q
end

-- The next one that waits; it then stands among those that were given back.
local function front(q)
  local found = call('XPENDING', q.key, 'g', '-', '+', 1, BACK)
  if found[1] then return found[1][1] end
  local got = call('XREADGROUP', 'GROUP', 'g', BACK, 'COUNT', 1, 'STREAMS', q.key, '>')
  return got[1][2][1][1]
end

local function hand_out(q, entries, count, out)
  for _, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    out[#out + 1] = {q.name, id, count, fields[4] or '', fields[2]}
    change(q, 0, 1, 0, size_of(id))
  end
end

local function take_portion(q, most, out)
  local found = call('XPENDING', q.key, 'g', '-', '+', most, BACK)
  local first = 1
  while first <= #found do  -- those in a row whose counts are alike, by one command
    local count, claim = found[first][4], {'XCLAIM', q.key, 'g', node, 0}
    while found[first] and found[first][4] == count do
      claim[#claim + 1] = found[first][1]
      first = first + 1
    end
    claim[#claim + 1] = 'RETRYCOUNT'
    claim[#claim + 1] = count
    hand_out(q, call(unpack(claim)), count, out)
  end
  if #found == most then return end
  local got = call('XREADGROUP', 'GROUP', 'g', node, 'COUNT', most - #found, 'STREAMS', q.key, '>')
  if got then hand_out(q, got[1][2], 1, out) end
end

local function take(q, most, out)
  local before, bytes = #out, q.tb
  most = math.min(most, q.n - q.t)
  while most > 0 do
    take_portion(q, math.min(most, HANDFUL), out)
    most = most - HANDFUL
    if most > 0 and q.tb - bytes > HANDFUL_BYTES then
      wakes[q.name] = true  -- the node comes for the rest
      break
    end
  end
  hold(q, node, #out - before)
end

local function settle(q, ids)
  local done = 0
  for _, id in ipairs(ids) do
    if count_of(q, id, node) then
      remove(q, id)
      local size = size_of(id)
      change(q, -1, -1, -size, -size)
      done = done + 1
    end
  end
  hold(q, node, -done)
  return done
end
