-- A turn: whether it is new, its steps, whom to tell, and what is kept of it.

local function tell()
  for name, q in pairs(touched) do
    if q.n > q.t then
      for _, who in ipairs(call('SMEMBERS', P .. ':watch:' .. name)) do
        if who == node then
          wakes[name] = true
        else
          call('ZADD', P .. ':wake:' .. who, 'NX', string.format('%.0f', meta.last), name)
        end
      end
    end
  end
  local names = {}
  for name in pairs(wakes) do names[#names + 1] = name end
  return names
end

-- The messages that a step has taken; none where it does something else.
local function taken_by(outcome)
  local value = outcome[2]
  return type(value) == 'table' and type(value[1]) == 'table' and value or {}
end

-- What is kept of this turn: of messages that were taken only queue and id.
local function record()
  local brief = {}
  for i, outcome in ipairs(outcomes) do
    local ids = {}
    for j, one in ipairs(taken_by(outcome)) do ids[j] = {one[1], one[2]} end
    brief[i] = ids[1] and {0, ids} or outcome
  end
  return cmsgpack.pack(brief)
end

-- The node has asked again: it gets the same answer, with the messages as they stand.
local function answer_again(kept)
  outcomes = cmsgpack.unpack(kept)
  for _, outcome in ipairs(outcomes) do
    local found = {}
    for _, one in ipairs(taken_by(outcome)) do
      local q, id = queue_of(one[1]), one[2]
      local count = count_of(q, id, node)
      if count then
        local fields = call('XRANGE', q.key, id, id)[1][2]
        found[#found + 1] = {q.name, id, count, fields[4] or '', fields[2]}
      end
    end
    if taken_by(outcome)[1] then outcome[2] = found end
  end
end

-- The node never learnt what it got by its last turn: nobody has seen that, and it goes back.
local function undo(kept)
  for _, outcome in ipairs(cmsgpack.unpack(kept)) do
    for _, one in ipairs(taken_by(outcome)) do
      local q, id = queue_of(one[1]), one[2]
      local count = count_of(q, id, node)
      if count then
        back(q, id, count, false, false)
        hold(q, node, -1)
      end
    end
  end
end

local before = call('HMGET', node_key, 'n', 'r')
local last_turn = tonumber(before[1]) or 0
if number < last_turn then return {} end

-- The first write tells whether writing is possible at all. Beyond maxmemory nothing more is appended, but the rest
-- goes on, since it makes room: after a write that takes no memory a script may do what it likes.
local began = redis.pcall('HSET', node_key, 'n', number)
if type(began) == 'table' and began.err then
  if not string.find(began.err, '^-?OOM') then return began end
  out_of_memory = true
  call('HDEL', node_key, '')
  call('HSET', node_key, 'n', number)
end
local known = 1 - call('ZADD', P .. ':nodes', now_ms, node)
local m = call('HMGET', P, 'last', 'queues', 'waiting', 'taken', 'bytes')
meta = {last = tonumber(m[1]) or 0, queues = tonumber(m[2]) or 0, waiting = tonumber(m[3]) or 0,
        taken = tonumber(m[4]) or 0, bytes = tonumber(m[5]) or 0}

if number == last_turn then
  answer_again(before[2])
else
  if last_turn > learnt and before[2] then undo(before[2]) end
  local items = 1  -- they stand behind the turn, in the order of the entries
  for i, step in ipairs(wanted) do
    if step[1] == 'append' then
      step[4] = items
      items = items + #step[2]
    end
    local well, value = pcall(steps[step[1]], unpack(step, 2, 5))
    if not well and type(value) == 'table' then value = value.err end
    outcomes[i] = {well and 0 or 1, value}
  end
  write_back()
  if gone_away then call('DEL', node_key) else call('HSET', node_key, 'r', record()) end
end
return {known, meta.queues, meta.waiting, meta.taken, meta.bytes, tell(), outcomes}
