-- ARGV 7 ttl in ms, 8 "1" to take what is not held or "0" to prolong only, 9.. leases, "user\0lease" each.
-- Extra: whether nobody was here before, so that the index of due rooms has to learn of this one.
local first = redis.call('ZCARD', KEYS[4]) == 0
local held, missing = {}, {}
for i = 9, #ARGV do
  local list = redis.call('ZSCORE', KEYS[4], ARGV[i]) and held or missing
  list[#list + 1] = ARGV[i]
end
if late and #missing > 0 then
  return answer('late')
end
local until_ms = digits(now + tonumber(ARGV[7]))
open()
for _, member in ipairs(held) do
  redis.call('ZADD', KEYS[4], until_ms, member)
end
if ARGV[8] == '1' then
  for _, member in ipairs(missing) do
    redis.call('ZADD', KEYS[4], until_ms, member)
    local user = string.match(member, '^(%Z+)%z')
    if redis.call('HINCRBY', KEYS[5], user, 1) == 1 then
      announce('user_joined', user)
    end
  end
end
-- After the renewal: who is here after a pause of its whole process is not sent away by it.
expire()
trim()
keep()
return answer('ok', first and 1 or 0)
