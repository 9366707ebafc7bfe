-- ARGV 8 epoch, 9 offset, 10 count, 11 id of the event at that position, or "". Extra: up to count events after that
-- position, as offset, payload, offset, payload… and then the last one's id. When they cannot be given: the offset
-- before the oldest event that is kept.
if not epoch then
  keep()
end
trim()
local function first(from)
  local entry = redis.call('XRANGE', log, from, '+', 'COUNT', 1)[1]
  if entry then
    return tonumber(entry[2][1]), tonumber(string.match(entry[1], '^%d+'))
  end
end
local oldest, low = first('-')
local function refusal(reason)
  return answer(reason, oldest and oldest - 1 or offset)
end
local since, from = tonumber(ARGV[9]), ARGV[11]
if ARGV[8] ~= epoch then
  return refusal('epoch_changed')
elseif since > offset then
  return refusal('position_ahead')
end
local events = {}
if since < offset then
  local ahead = 0
  if from ~= '' then
    from = '(' .. from
  elseif not oldest or oldest > since + 1 then
    -- Also when the log is gone and the head is not: Redis may evict any key under memory pressure.
    return refusal('history_evicted')
  else
    -- Ids grow with time, offsets by one: halve the time in which the next event must have come.
    local at, high = oldest, now + 1
    while since + 1 - at > 64 and high - low > 1 do
      local half = math.floor((low + high) / 2)
      local there, came = first(digits(half))
      if there and there <= since + 1 then
        at, low = there, came
      else
        high = half
      end
    end
    from, ahead = digits(low), since + 1 - at
  end
  for index, entry in ipairs(redis.call('XRANGE', log, from, '+', 'COUNT', ahead + ARGV[10])) do
    if index > ahead then
      events[#events + 1] = entry[2][1]
      events[#events + 1] = entry[2][2]
      from = entry[1]
    end
  end
  if events[1] ~= digits(since + 1) then
    return refusal('history_evicted')
  end
end
events[#events + 1] = from
return answer('ok', events)
