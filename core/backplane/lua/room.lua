-- What every script on a room begins with. Nothing is written before a script decides to.
--
-- KEYS  all carry the hash tag {room}, so that they live in one slot of a cluster; all expire
--   1 head     hash   epoch, offset of the newest event, life of the database it was begun in
--   2 log      stream the last events: id is offset-milliseconds; k is the retry key, p the payload
--   3 retries  hash   retry key -> offset, for as long as the event is in the log
--   4 leases   zset   "user\0lease" -> when it runs out, milliseconds of a clock that nobody sets
--   5 users    hash   user -> how many leases
-- ARGV
--   1 deadline, ms   2 life   3 an epoch, if one is needed   4 events kept   5 history, ms
--   6 channel   7 by how much Redis's clock has been set, ms   8.. the script's own
-- Answers begin with: now in ms, status, epoch, offset, events appended.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local steady = now - tonumber(ARGV[7])
local late = now >= tonumber(ARGV[1])
-- Not where the caller saw it last, no more than two seconds before the deadline: the clock was set, or the call is old.
local astray = late or tonumber(ARGV[1]) - now > 4000
local epoch, offset, life = unpack(redis.call('HMGET', KEYS[1], 'epoch', 'offset', 'life'))
local appended = 0

local function digits(number)
  return string.format('%.0f', number)
end

-- A new room, or one from before the database may have lost what it had acknowledged.
if not epoch or tonumber(life) < tonumber(ARGV[2]) then
  epoch, offset, life = nil, 0, ARGV[2]
else
  offset = tonumber(offset)
end

local function open()
  if not epoch then
    epoch = ARGV[3]
    redis.call('DEL', KEYS[2], KEYS[3])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'offset', 0, 'life', life)
  end
end

-- A room lives as long as its history, counted from now or, when somebody is there, from when the last lease ends.
local function lifetime()
  local last = redis.call('ZREVRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2]
  return digits(tonumber(ARGV[5]) + math.max(0, (tonumber(last) or 0) - steady))
end

local function keep()
  local keep_ms = lifetime()
  for i = 1, 5 do
    redis.call('PEXPIRE', KEYS[i], keep_ms)
  end
end

local function trim()
  local excess = redis.call('XLEN', KEYS[2]) - tonumber(ARGV[4])
  local oldest = now - tonumber(ARGV[5])
  local count = 1
  repeat
    local ids, retries = {}, {}
    for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', count)) do
      if excess <= 0 and tonumber(string.match(entry[1], '-(%d+)$')) > oldest then
        break
      end
      excess = excess - 1
      ids[#ids + 1] = entry[1]
      retries[#retries + 1] = entry[2][2]
    end
    if #ids > 0 then
      redis.call('XDEL', KEYS[2], unpack(ids))
      redis.call('HDEL', KEYS[3], unpack(retries))
    end
    local more = #ids == count
    count = math.min(count * 4, 256)
  until not more
end

-- Redis takes nothing back when a script fails half way, and rights may be withdrawn while we run. So what an event
-- needs is used once before it is stored, where it changes nothing: what Redis refuses, it refuses here.
local proven
local function prove()
  if not proven then
    -- First of all: whether there is memory left Redis asks only the first write of a script.
    redis.call('XADD', KEYS[2] .. ':none', 'NOMKSTREAM', '*', 'k', '')
    open()
    proven = lifetime()
    redis.call('PEXPIRE', KEYS[1], proven)
  end
end

local function append(payload, retry)
  prove()
  local place = digits(offset + 1)
  redis.call('HSET', KEYS[1], 'offset', place)
  -- Before the log: a channel cannot be proven without a message. Who hears it cannot ask before this script has ended.
  local published = redis.pcall('PUBLISH', ARGV[6], epoch .. ':' .. place .. ' ' .. payload)
  if type(published) == 'table' then
    redis.call('HSET', KEYS[1], 'offset', digits(offset))
    error(published.err, 0)
  end
  offset = offset + 1
  appended = appended + 1
  redis.call('XADD', KEYS[2], place .. '-' .. digits(now), 'k', retry, 'p', payload)
  if retry ~= '' then
    redis.call('HSET', KEYS[3], retry, place)
  end
end

local function announce(kind, user)
  append(string.format('"type":"%s","userId":"%s","timestamp":%s', kind, user, digits(now)), '')
end

local function user_of(member)
  return string.match(member, '^(%Z+)%z')
end

local function connections(user)
  return tonumber(redis.call('HGET', KEYS[5], user)) or 0
end

local function prove_drop()
  prove()
  redis.call('ZREM', KEYS[4], '')
  redis.call('HDEL', KEYS[5], '')
end

-- After prove_drop. First what may still be refused: the message, or the first use of HSET.
local function drop(member)
  local user = user_of(member)
  local count = connections(user)
  if count > 1 then
    redis.call('HSET', KEYS[5], user, digits(count - 1))
  else
    announce('user_left', user)
    redis.call('HDEL', KEYS[5], user)
  end
  redis.call('ZREM', KEYS[4], member)
end

-- Redis may evict leases or users: what is gone is made anew from the other. A user of whom no lease is left gets one
-- without a name, until then; the first lease that the user's holder renews takes its place. Returns whether it did.
local function mend(until_ms)
  local held, here = redis.call('ZCARD', KEYS[4]) > 0, redis.call('HLEN', KEYS[5]) > 0
  if held and not here then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf')) do
      local user = user_of(member)
      redis.call('HSET', KEYS[5], user, digits(connections(user) + 1))
    end
  elseif here and not held and until_ms then
    local users = redis.call('HGETALL', KEYS[5])
    for i = 1, #users, 2 do
      redis.call('HSET', KEYS[5], users[i], '1')
      redis.call('ZADD', KEYS[4], until_ms, users[i] .. '\0')
    end
  end
  return held ~= here
end

-- Who is to be dropped because the lease ran out.
local function expired()
  local members = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', digits(steady))
  if #members > 0 then
    prove_drop()
  end
  return members
end

local function answer(status, extra)
  return {digits(now), status, epoch or '', digits(offset), appended, extra}
end
