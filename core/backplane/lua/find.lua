-- ARGV 8 retry key: is that message in the history?
local known = epoch and redis.call('HGET', KEYS[3], ARGV[8])
if known then
  offset = tonumber(known)
  return answer('known')
end
return answer('ok')
