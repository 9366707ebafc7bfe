-- ARGV 7 ttl in ms, 8 "1" to take what is not held or "0" to prolong only, 9.. leases, "user\0lease" each.
-- Extra: whether nobody was here before, so that the index of due rooms has to learn of this one.
local first = redis.call('ZCARD', KEYS[4]) == 0
local held, missing, coming = {}, {}, {}
for i = 9, #ARGV do
  if redis.call('ZSCORE', KEYS[4], ARGV[i]) then
    held[#held + 1] = ARGV[i]
  else
    missing[#missing + 1] = ARGV[i]
    coming[user_of(ARGV[i])] = ARGV[8] == '1'
  end
end
if late and #missing > 0 then
  return answer('late')
end
trim()
local until_ms = digits(now + tonumber(ARGV[7]))
open()
for _, member in ipairs(held) do
  redis.call('ZADD', KEYS[4], until_ms, member)
end
if ARGV[8] == '1' and #missing > 0 then
  prove()
  redis.call('ZADD', KEYS[4], 'XX', until_ms, missing[1])
end
-- After the renewal: who is here after a pause of its whole process is not sent away by it. After the join of a user
-- whose new lease takes the place of one that ran out: that user neither left nor joined.
local gone, replaced = expired(), {}
for _, member in ipairs(gone) do
  if coming[user_of(member)] then
    replaced[#replaced + 1] = member
  else
    drop(member)
  end
end
if ARGV[8] == '1' then
  for _, member in ipairs(missing) do
    local user = user_of(member)
    local count = connections(user)
    if count == 0 then
      announce('user_joined', user)
    end
    redis.call('HSET', KEYS[5], user, digits(count + 1))
    redis.call('ZADD', KEYS[4], until_ms, member)
  end
end
for _, member in ipairs(replaced) do
  drop(member)
end
keep()
return answer('ok', first and 1 or 0)
