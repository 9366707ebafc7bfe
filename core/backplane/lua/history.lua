-- ARGV 7 epoch, 8 offset, 9 count: up to count events after that position, as id, payload, id, payload…
if not epoch then
  open()
  keep()
end
trim()
local since = tonumber(ARGV[8])
if ARGV[7] ~= epoch then
  return answer('epoch_changed')
elseif since > offset then
  return answer('position_ahead')
end
local events = {}
if since < offset then
  for _, entry in ipairs(redis.call('XRANGE', KEYS[2], digits(since + 1), '+', 'COUNT', ARGV[9])) do
    events[#events + 1] = entry[1]
    events[#events + 1] = entry[2][4]
  end
  -- Also when the log is gone and the head is not: Redis may evict any key under memory pressure.
  if string.match(events[1] or '', '^%d+') ~= digits(since + 1) then
    return answer('history_evicted')
  end
end
return answer('ok', events)
