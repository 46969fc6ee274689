-- What a node can want of its queues.

-- What of the messages to settle this node has, by queues; each once.
local function freed_by(settled)
  local freed, seen = {}, {}
  for _, one in ipairs(settled) do
    local name, id = one[1], one[2]
    if not seen[id] and count_of(queue_of(name), id, node) then
      seen[id] = true
      local gone = freed[name] or {count = 0, bytes = 0, ids = {}}
      gone.count, gone.bytes = gone.count + 1, gone.bytes + size_of(id)
      gone.ids[gone.count] = id
      freed[name] = gone
    end
  end
  return freed
end

-- Why there is no room for entries once others are settled, and the queue that has none.
local function refusal(entries, freed)
  local none, asked, growth, room = {count = 0, bytes = 0}, {}, 0, max_queues - meta.queues
  for name, gone in pairs(freed) do
    growth = growth - gone.bytes
    if gone.count == queue_of(name).n then room = room + 1 end
  end
  for _, entry in ipairs(entries) do
    local name, size, most, most_bytes, _, drops, asked_for = unpack(entry, 1, 7)
    local q, gone, more = queue_of(name), freed[name] or none, asked[name]
    if more == nil then
      more = {count = 0, bytes = 0}
      asked[name] = more
      if gone.count == q.n then
        room = room - 1
        if room < (asked_for and 0 or max_queues - math.floor(max_queues / 2)) then return 'no-room', name end
      end
    end
    more.count, more.bytes, growth = more.count + 1, more.bytes + size, growth + size
    local count, bytes = q.n, q.b
    if drops then count, bytes = q.t, q.tb end
    if count + more.count - gone.count > most or bytes + more.bytes - gone.bytes > most_bytes then
      return 'full', name
    end
  end
  if growth > 0 and meta.bytes + growth > max_bytes then return 'no-bytes', entries[1][1] end
end

local function put(entry, item)
  local name, size, most, most_bytes, over = unpack(entry, 1, 5)
  local q, dropped = queue_of(name), 0
  while q.n > q.t and (q.n >= most or q.b + size > most_bytes) do
    local id = front(q)
    remove(q, id)
    change(q, -1, 0, -size_of(id), 0)
    dropped = dropped + 1
  end
  if not q.made then
    call('DEL', q.key)
    call('XGROUP', 'CREATE', q.key, 'g', '0', 'MKSTREAM')
    q.made = true
  end
  meta.last = math.max(meta.last + 1, now_us)
  local id = string.format('%.0f-%.0f', meta.last, size)
  if over then
    local at = string.format('%.3f', over)
    call('XADD', q.key, id, 'i', item, 'e', at)
    call('ZADD', P .. ':ends', 'LT', at, name)
    q.mortal = true
  else
    call('XADD', q.key, id, 'i', item)
  end
  change(q, 1, 0, size, 0)
  touched[name] = q
  return dropped
end

-- Nothing is taken by a node any more; false where there is more to do than is done in one turn.
local function release(who, counted)
  local key, left = P .. ':held:' .. who, 10 * PORTION
  for _, name in ipairs(call('HKEYS', key)) do
    local q = queue_of(name)
    while q.made do
      local found = call('XPENDING', q.key, 'g', '-', '+', PORTION, who)
      for _, one in ipairs(found) do back(q, one[1], one[4], true, counted) end
      left = left - #found
      if #found < PORTION then break end
      if left <= 0 then return false end
    end
    if q.made then call('XGROUP', 'DELCONSUMER', q.key, 'g', who) end
    call('HDEL', key, name)
  end
  local watching = call('SPOP', P .. ':watching:' .. who, 10 * PORTION)
  for _, name in ipairs(watching) do call('SREM', P .. ':watch:' .. name, who) end
  if #watching == 10 * PORTION then return false end
  call('DEL', P .. ':wake:' .. who, P .. ':node:' .. who, key)
  call('ZREM', P .. ':nodes', who)
  return true
end

local steps = {}

function steps.append(entries, settled, first)
  local freed = freed_by(settled)
  local why, where = refusal(entries, freed)
  if why then return {why, where} end
  if out_of_memory and #entries > 0 then return {'no-memory', entries[1][1]} end
  local done, dropped = 0, 0
  for name, gone in pairs(freed) do done = done + settle(queue_of(name), gone.ids) end
  for i, entry in ipairs(entries) do dropped = dropped + put(entry, ARGV[first + i]) end
  return {'', '', dropped, done}
end

function steps.take(name, most)
  local out = {}
  take(queue_of(name), most, out)
  return out
end

function steps.settle(name, ids) return settle(queue_of(name), ids) end

function steps.give_back(name, ids, delivered, counted)
  local q, done = queue_of(name), 0
  for _, id in ipairs(ids) do
    local count = count_of(q, id, node)
    if count then
      back(q, id, count, delivered, counted)
      done = done + 1
    end
  end
  hold(q, node, -done)
  return done
end

function steps.take_expired(most, at)
  local out = {}
  for _, name in ipairs(call('ZRANGEBYSCORE', P .. ':ends', '-inf', at, 'LIMIT', 0, 2 * PORTION)) do
    local q, look = queue_of(name), '+inf'
    while q.n > q.t do
      if #out >= most then return out end
      local over = end_of(q, front(q))
      if not over then look = at + 10 break end  -- its bounds have changed: behind it others may have an end
      if tonumber(over) > at then look = over break end
      take(q, 1, out)
    end
    call('ZADD', P .. ':ends', look, name)
  end
  return out
end

function steps.delete(name)
  local q = queue_of(name)
  if q.made then
    for _, consumer in ipairs(call('XINFO', 'CONSUMERS', q.key, 'g')) do
      call('HDEL', P .. ':held:' .. consumer[2], name)
    end
    call('DEL', q.key)
    change(q, -q.n, -q.t, -q.b, -q.tb)
    q.made = false
  end
  return 0
end

function steps.length(name)
  local q = queue_of(name)
  return {q.n - q.t, q.t, q.b}
end

function steps.watch(names)
  for _, name in ipairs(names) do
    call('SADD', P .. ':watch:' .. name, node)
    call('SADD', P .. ':watching:' .. node, name)
    local q = queue_of(name)
    if q.n > q.t then wakes[name] = true end
  end
  return 0
end

function steps.unwatch(name)
  call('SREM', P .. ':watch:' .. name, node)
  call('SREM', P .. ':watching:' .. node, name)
  return 0
end

-- Looks for nodes that are dead. Where nobody has looked for a while, the server was away, or its clock has moved:
-- then all nodes have their time again.
function steps.look_after()
  local at = call('HMGET', P, 'seen', 'grace')
  local grace = tonumber(at[2]) or 0
  if now_ms - (tonumber(at[1]) or 0) > dead_ms / 2 then grace = now_ms end
  call('HSET', P, 'seen', now_ms, 'grace', grace)
  if now_ms - grace <= dead_ms then return 0 end
  for _, who in ipairs(call('ZRANGEBYSCORE', P .. ':nodes', '-inf', now_ms - dead_ms, 'LIMIT', 0, 10)) do
    if not release(who, true) then break end
  end
  return 0
end

-- This node ends; 1 where it has to be asked again.
function steps.leave()
  gone_away = release(node, false)
  return gone_away and 0 or 1
end
