-- KEYS 2 the user's bucket: when it will be full again, microseconds; it expires then. ARGV 7 payload.
-- What is stored already is found even when the deadline has passed: that is how a caller whose connection broke learns
-- what became of its first try. It takes no token. Extra, when limited: ms until there is a token.
if epoch and (known or ARGV[5] == '1') then
  local place, at = string.match(known or redis.call('HGET', room .. ':past', retry) or '', '^(%d+)-(%d+)$')
  if place and offset - place < EVENTS and now - at < HISTORY_MS then
    offset = place + 0
    return answer('known')
  end
end
if late then
  return answer('late')
end
if RATE > 0 then
  local at = (time[1] - ARGV[4] / 1000) * 1000000 + micro
  local token, most = 1000000 / RATE, BURST * 1000000 / RATE
  -- At most as empty as it can be: Redis's clock may have been set back.
  local full = math.min(math.max(redis.call('GET', KEYS[2]) or 0, at), at + most) + token
  if full > at + most then
    return answer('limited', math.max(1, math.ceil((full - at - most) / 1000)))
  end
  redis.call('SET', KEYS[2], full, 'PX', math.ceil((full - at) / 1000))
end
-- So long the room's expiry need not be renewed, unless Redis's clock was set back.
local fresh_ms = fresh and fresh - now
if not fresh_ms or fresh_ms <= 0 or fresh_ms > SLACK_MS or offset % 64 == 63 then
  --[[upkeep.lua]]
  keep()
end
store(ARGV[7])
return answer('ok')
