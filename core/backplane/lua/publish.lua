-- ARGV 8 payload, 9 retry key. What is stored already is found even when the deadline has passed:
-- that is how a caller whose connection broke learns what became of its first try.
trim()
local known = epoch and redis.call('HGET', KEYS[3], ARGV[9])
if known then
  offset = tonumber(known)
  return answer('known')
end
if late then
  return answer('late')
end
append(ARGV[8], ARGV[9])
for i = 2, 5 do
  redis.call('PEXPIRE', KEYS[i], proven)
end
return answer('ok')
