-- ARGV 8 ttl in ms. Extra: when the next lease runs out, ms; 0 when there is none.
if astray then
  return answer('late')
end
local mended = mend(digits(steady + ARGV[8]))
for _, member in ipairs(expired()) do
  drop(member)
end
if mended or appended > 0 then
  keep()
end
local next_due = redis.call('ZRANGEBYSCORE', leases, '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return answer('ok', next_due[2] or '0')
