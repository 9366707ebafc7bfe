-- Extra: when the next lease runs out, ms; 0 when there is none.
expire()
trim()
if appended > 0 then
  keep()
end
local next_due = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
return answer('ok', next_due[2] or '0')
