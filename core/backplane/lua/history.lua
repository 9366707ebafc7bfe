-- ARGV 8 epoch, 9 offset, 10 count. Extra: up to count events after that position, as id, payload, id, payload…
-- When they cannot be given: the offset before the oldest event that is kept.
if not epoch then
  keep()
end
trim()
local function refusal(reason)
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  return answer(reason, oldest and string.match(oldest[1], '^%d+') - 1 or offset)
end
local since = tonumber(ARGV[9])
if ARGV[8] ~= epoch then
  return refusal('epoch_changed')
elseif since > offset then
  return refusal('position_ahead')
end
local events = {}
if since < offset then
  for _, entry in ipairs(redis.call('XRANGE', log, digits(since + 1), '+', 'COUNT', ARGV[10])) do
    events[#events + 1] = entry[1]
    events[#events + 1] = entry[2][2]
  end
  -- Also when the log is gone and the head is not: Redis may evict any key under memory pressure.
  if string.match(events[1] or '', '^%d+') ~= digits(since + 1) then
    return refusal('history_evicted')
  end
end
return answer('ok', events)
