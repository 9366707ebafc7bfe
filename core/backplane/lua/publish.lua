-- KEYS 2 the user's bucket: when it will be full again, microseconds. ARGV 8 payload, with the sender's own key before it
-- where there is no retry key: a call that may have been done already is found by it in the log.
-- What is stored already is found even when the deadline has passed: that is how a caller whose connection broke learns
-- what became of its first try. It takes no token. Extra, when limited: ms until there is a token;
-- when stored: so many ms `lean` may be called.
-- Each function that a script defines costs every call, so this one defines none on its usual way.
local payload = ARGV[8]
if epoch and retry == '' and ARGV[5] == '1' then
  local own, since = string.match(payload, '^[^"]*"'), '-' -- the log may hold more than EVENTS
  repeat
    local entries = redis.call('XRANGE', log, since, '+', 'COUNT', 256)
    for _, entry in ipairs(entries) do
      if string.sub(entry[2][2], 1, #own) == own then
        return {now, 'known', epoch, entry[2][1] + 0, 0}
      end
      since = '(' .. entry[1]
    end
  until #entries < 256
elseif epoch and (known or ARGV[5] == '1') then
  local place, at = string.match(known or redis.call('HGET', room .. ':past', retry) or '', '^(%d+)-(%d+)$')
  if place and offset - place < EVENTS and now - at < HISTORY_MS then
    return {now, 'known', epoch, place + 0, 0}
  end
end
if late then
  return {now, 'late'}
end
if TOKEN_US > 0 then
  local at = (now - ARGV[4]) * 1000 -- no later than the next event's, by which `lean` counts
  local full = redis.call('GET', KEYS[2])
  full = full and full + 0 or at
  if full < at then
    full = at
  elseif full > at + MOST_US then -- Redis's clock has been set back
    full = at + MOST_US
  end
  full = full + TOKEN_US
  if full > at + MOST_US then
    return {now, 'limited', epoch or '', offset, 0, math.ceil((full - at - MOST_US) / 1000)}
  end
  redis.call('SET', KEYS[2], string.format('%d', full), 'PX', BUCKET_MS)
end
-- So long the room's expiry need not be renewed, unless Redis's clock was set back.
local fresh_ms = fresh and fresh - now
if not fresh_ms or fresh_ms <= 0 or fresh_ms > SLACK_MS or offset % 256 == 255 then
  --[[upkeep.lua]]
  keep()
  fresh_ms = SLACK_MS
end
--[[store.lua]]
-- `lean` would count by a log that is ahead, as Redis's clock was set back, and reads only times of thirteen digits.
if string.match(id, '^%d+') - now > 1 or now < 1e12 then
  fresh_ms = 0
end
return {now, 'ok', epoch, offset, appended, fresh_ms}
