-- What every script on a room begins with. Nothing is written before a script decides to.
--
-- A line before it holds the settings: EVENTS kept, for HISTORY_MS at most; a room's expiry is renewed every SLACK_MS;
-- RATE messages a second of a user, and BURST of them at once.
-- KEYS 1 is the room, and its channel. Its other keys begin with this name; lua/presence.lua has two more. All expire.
--   ROOM       hash   epoch, offset of the newest event, life of the database it was begun in; until when its expiry
--                     need not be renewed; retry key -> offset-milliseconds, since `turn`
--   ROOM:log   stream the last events: id is offset-milliseconds, p the payload
--   ROOM:past  hash   what ROOM was before `turn`, for its retry keys
-- ARGV
--   1 deadline, ms   2 life   3 an epoch, if one is needed   4 by how much Redis's clock has been set, ms
--   5 "1" if it may have been done already   6 retry key, or ""   7.. the script's own
-- Answers begin with: now in ms, status, epoch, offset, events appended.

local room, log, retry = KEYS[1], KEYS[1] .. ':log', ARGV[6]
local time = redis.call('TIME')
local micro = time[2] + 0
local now = time[1] * 1000 + (micro - micro % 1000) / 1000
local late = now >= ARGV[1] + 0
local head = redis.call('HMGET', room, 'epoch', 'offset', 'life', 'fresh', retry)
local epoch, offset, fresh, known = head[1], head[2], head[4], head[5]
local appended = 0

-- A new room, or one from before the database may have lost what it had acknowledged.
if not epoch or (head[3] ~= ARGV[2] and head[3] + 0 < ARGV[2] + 0) then
  epoch, offset, fresh, known = nil, 0, nil, nil
else
  offset = offset + 0
end

local function digits(number)
  return string.format('%d', number)
end

-- The long value keeps Redis from searching the retry keys one by one, as it does in a short hash of short values.
local function begin()
  redis.call('HSET', room, 'epoch', epoch, 'offset', digits(offset), 'life', ARGV[2],
    'turn', digits(offset) .. '-' .. digits(now), 'long', string.rep('-', 65))
end

local function open()
  if not epoch then
    -- First of all a command that needs memory: Redis asks only the first write of a script whether there is some.
    redis.call('HSET', room, 'life', '0')
    redis.call('DEL', room, log, room .. ':past')
    epoch = ARGV[3]
    begin()
  end
end

-- Brings the log within its bounds. Readers call it; a publish only now and then.
local function trim()
  if redis.call('XLEN', log) > EVENTS then
    redis.call('XTRIM', log, 'MAXLEN', EVENTS)
  end
  local count = 1
  repeat
    local ids = {}
    for _, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', count)) do
      if tonumber(string.match(entry[1], '-(%d+)$')) > now - HISTORY_MS then
        break
      end
      ids[#ids + 1] = entry[1]
    end
    if #ids > 0 then
      redis.call('XDEL', log, unpack(ids))
    end
    local more = #ids == count
    count = math.min(count * 4, 256)
  until not more
end

-- A room lives as long as its history, counted from now or, when somebody is there, from when the last lease ends.
-- Retry keys of events that are no longer kept go with `past`, when the present ones take its place.
local kept_ms = HISTORY_MS + SLACK_MS
local function keep()
  open()
  redis.call('HSET', room, 'fresh', '0') -- of what asks for memory first, as in `open`
  trim()
  local turned, turned_ms = string.match(redis.call('HGET', room, 'turn'), '^(%d+)-(%d+)$')
  if offset - turned >= EVENTS or now - turned_ms >= HISTORY_MS then
    redis.call('RENAME', room, room .. ':past')
    begin()
  end
  local last = redis.call('ZREVRANGE', room .. ':leases', 0, 0, 'WITHSCORES')[2]
  kept_ms = HISTORY_MS + SLACK_MS + math.max(0, (last or 0) - (now - ARGV[4]))
  redis.call('PEXPIRE', room, digits(kept_ms))
  for _, part in ipairs({':log', ':past', ':leases', ':users'}) do
    redis.call('PEXPIRE', room .. part, digits(kept_ms))
  end
  redis.call('HSET', room, 'fresh', digits(now + SLACK_MS))
end

-- Redis takes nothing back when a script fails half way, and rights may be withdrawn while we run. So each step that may
-- be refused comes before all that cannot be undone; a room where that fails too begins another life.
local function store(payload)
  local place = digits(offset + 1)
  local id = place .. '-' .. digits(now)
  if retry ~= '' then
    redis.call('HSET', room, 'offset', place, retry, id)
  else
    redis.call('HSET', room, 'offset', place)
  end
  local stored = redis.pcall('XADD', log, 'NOMKSTREAM', id, 'p', payload)
  if not stored then -- a new room, or one whose log Redis has evicted
    stored = redis.pcall('XADD', log, id, 'p', payload)
    redis.pcall('PEXPIRE', log, digits(kept_ms))
  end
  local refused = type(stored) == 'table' and stored
  if not refused then
    -- Who hears it cannot ask before this script has ended.
    local heard = redis.pcall('PUBLISH', room, epoch .. ':' .. place .. ' ' .. payload)
    if type(heard) ~= 'table' then
      offset = offset + 1
      appended = appended + 1
      return
    end
    refused = heard
    stored = redis.pcall('XDEL', log, id)
  end
  redis.call('HSET', room, 'offset', digits(offset), retry, '')
  if type(stored) == 'table' and (refused ~= stored or string.find(stored.err, 'smaller', 1, true)) then
    redis.call('HSET', room, 'life', '0')
  end
  error(refused.err, 0)
end

local function answer(status, extra)
  return {now, status, epoch or '', offset, appended, extra}
end
