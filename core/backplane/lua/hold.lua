-- ARGV 8 ttl in ms, 9 "1" to take what is not held or "0" to prolong only, 10.. leases, "user\0lease" each.
-- Extra: whether nobody was here before, so that the index of due rooms has to learn of this one.
local first = redis.call('ZCARD', leases) == 0
local held, missing = {}, {}
for i = 10, #ARGV do
  local list = redis.call('ZSCORE', leases, ARGV[i]) and held or missing
  list[#list + 1] = ARGV[i]
end
if astray and (#missing > 0 or not late) then
  return answer('late')
end
local until_ms = digits(steady + ARGV[8])
open()
mend(until_ms)
for _, member in ipairs(held) do
  local at_ms = tonumber(until_ms)
  if late then -- perhaps by a clock that was set forward
    at_ms = math.min(at_ms, redis.call('ZSCORE', leases, member) + ARGV[8])
  end
  redis.call('ZADD', leases, digits(at_ms), member)
end
if ARGV[9] == '1' and #missing > 0 then
  prove_drop()
  redis.call('ZADD', leases, 'XX', until_ms, missing[1])
  for _, member in ipairs(missing) do
    local user = user_of(member)
    local count = connections(user)
    if count == 0 then
      announce('user_joined', user)
    end
    if redis.call('ZREM', leases, user .. '\0') == 0 then
      redis.call('HSET', users, user, digits(count + 1))
    end
    redis.call('ZADD', leases, until_ms, member)
  end
end
-- Leases that ran out are the sweep's: it comes each second, and knows when it must not judge.
keep()
return answer('ok', first and 1 or 0)
