-- Stores and announces `payload` as the room's next event.
-- Redis takes nothing back when a script fails half way, and rights may be withdrawn while we run. So each step that may
-- be refused comes before all that cannot be undone; a room where that fails too begins another life.
local place = string.format('%d', offset + 1)
local id = string.format('%s-%d', place, now)
if retry ~= '' then
  redis.call('HSET', room, epoch, place, retry, id)
else
  redis.call('HSET', room, epoch, place)
end
local stored = redis.pcall('XADD', log, 'NOMKSTREAM', id, 'p', payload)
if not stored then -- a new room, or one whose log Redis has evicted
  stored = redis.pcall('XADD', log, id, 'p', payload)
  redis.pcall('PEXPIRE', log, string.format('%d', kept_ms))
end
if type(stored) == 'table' and string.find(stored.err, 'smaller', 1, true) then
  -- An event that was undone in this very millisecond had this id; or the log is ahead of the room.
  id = string.format('%s-%d', place, now + 1)
  stored = redis.pcall('XADD', log, id, 'p', payload)
end
local refused = type(stored) == 'table' and stored
if not refused then
  -- Who hears it cannot ask before this script has ended.
  local heard = redis.pcall('PUBLISH', room, epoch .. ':' .. id .. ' ' .. payload)
  if type(heard) == 'table' then
    refused = heard
    stored = redis.pcall('XDEL', log, id)
  end
end
if refused then
  redis.call('HSET', room, epoch, string.format('%d', offset), retry, '')
  if type(stored) == 'table' and (refused ~= stored or string.find(stored.err, 'smaller', 1, true)) then
    redis.call('HSET', room, 'life', '0', epoch, '-1')
  end
  error(refused.err, 0)
end
offset = offset + 1
appended = appended + 1
