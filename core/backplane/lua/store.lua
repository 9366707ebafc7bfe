-- Stores and announces `payload` as the room's next event.
-- Redis takes nothing back when a script fails half way, and rights may be withdrawn while we run. So each step that may
-- be refused comes before all that cannot be undone; a room where that fails too begins another life.
local place = string.format('%d', offset + 1)
if retry ~= '' then
  redis.call('HSET', room, epoch, place, retry, string.format('%s-%d', place, now))
else
  redis.call('HSET', room, epoch, place)
end
local id, undone = redis.pcall('XADD', log, 'NOMKSTREAM', '*', place, payload), nil
if not id then -- a new room, or one whose log Redis has evicted
  id = redis.pcall('XADD', log, '*', place, payload)
  redis.pcall('PEXPIRE', log, string.format('%d', kept_ms))
end
local refused = type(id) == 'table' and id
if not refused then
  -- Who hears it cannot ask before this script has ended.
  local heard = redis.pcall('PUBLISH', room, epoch .. ':' .. place .. ' ' .. payload)
  if type(heard) == 'table' then
    refused, undone = heard, redis.pcall('XDEL', log, id)
  end
end
if refused then
  redis.call('HSET', room, epoch, string.format('%d', offset), retry, '')
  if type(undone) == 'table' then
    redis.call('HSET', room, 'life', '0', epoch, '-1')
  end
  error(refused.err, 0)
end
offset = offset + 1
appended = appended + 1
