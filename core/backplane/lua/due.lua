-- Somebody has to look at rooms when their leases may run out. KEYS 1 due. ARGV 1 ttl in ms, 2 keep in ms,
-- 3 the clock's slip, ms, 4 "1": in place of what is noted; "0": only where nothing is, as after an eviction. 5.. rooms.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[3])
local at = string.format('%.0f', now + tonumber(ARGV[1]))
for i = 5, #ARGV do
  if ARGV[4] == '1' then
    redis.call('ZADD', KEYS[1], at, ARGV[i])
  else
    redis.call('ZADD', KEYS[1], 'NX', at, ARGV[i])
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
