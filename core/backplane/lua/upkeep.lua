-- What keeps a room within its bounds, and alive. Most publishes do without: they do not even define it.

local function digits(number)
  return string.format('%d', number)
end

-- The long value keeps Redis from searching the retry keys one by one, as it does in a short hash of short values.
local function begin()
  redis.call('HSET', room, 'epoch', epoch, epoch, digits(offset), 'life', ARGV[2],
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
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  if oldest and string.match(oldest[1], '^%d+') - now <= -HISTORY_MS then
    redis.call('XTRIM', log, 'MINID', digits(now - HISTORY_MS + 1))
  end
end

-- A room lives as long as its history, counted from now or, when somebody is there, from when the last lease ends.
-- Retry keys of events that are no longer kept go with `past`, when the present ones take its place.
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

local function answer(status, extra)
  return {now, status, epoch or '', offset, appended, extra}
end
