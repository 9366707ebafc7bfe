-- Who is in a room: what the scripts on leases share, after lua/room.lua.
--   ROOM:leases  zset   "user\0lease" -> when it runs out, milliseconds of a clock that nobody sets
--   ROOM:users   hash   user -> how many leases

local leases, users = room .. ':leases', room .. ':users'
local steady = now - ARGV[4]
-- Not where the caller saw it last, no more than two seconds before the deadline: the clock was set, or the call is old.
local astray = late or ARGV[1] - now > 4000

local function store(payload)
  --[[store.lua]]
end

local function announce(kind, user)
  store(string.format('"type":"%s","userId":"%s","timestamp":%s', kind, user, digits(now)))
end

local function user_of(member)
  return string.match(member, '^(%Z+)%z')
end

local function connections(user)
  return tonumber(redis.call('HGET', users, user)) or 0
end

-- What dropping somebody needs besides `store` is used once before, where it changes nothing: what Redis refuses, it
-- refuses here.
local function prove_drop()
  keep()
  redis.call('ZREM', leases, '')
  redis.call('HDEL', users, '')
end

-- After prove_drop. First what may still be refused: the message, or the first use of HSET.
local function drop(member)
  local user = user_of(member)
  local count = connections(user)
  if count > 1 then
    redis.call('HSET', users, user, digits(count - 1))
  else
    announce('user_left', user)
    redis.call('HDEL', users, user)
  end
  redis.call('ZREM', leases, member)
end

-- Redis may evict leases or users: what is gone is made anew from the other. A user of whom no lease is left gets one
-- without a name, until then; the first lease that the user's holder renews takes its place. Returns whether it did.
local function mend(until_ms)
  local held, here = redis.call('ZCARD', leases) > 0, redis.call('HLEN', users) > 0
  if held and not here then
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', '+inf')) do
      local user = user_of(member)
      redis.call('HSET', users, user, digits(connections(user) + 1))
    end
  elseif here and not held and until_ms then
    local counts = redis.call('HGETALL', users)
    for i = 1, #counts, 2 do
      redis.call('HSET', users, counts[i], '1')
      redis.call('ZADD', leases, until_ms, counts[i] .. '\0')
    end
  end
  return held ~= here
end

-- Who is to be dropped because the lease ran out.
local function expired()
  local members = redis.call('ZRANGEBYSCORE', leases, '-inf', digits(steady))
  if #members > 0 then
    prove_drop()
  end
  return members
end
