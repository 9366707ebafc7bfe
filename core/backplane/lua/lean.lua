-- What nearly every publish is: counts, takes a token, stores, announces. For a message without a ref, in a room whose
-- epoch the caller knows and that needs no upkeep yet. Where there is more to do or to say, this undoes what it did and
-- answers nothing; then `publish` does it.
-- KEYS 1 room, 2 the user's bucket. ARGV 1 deadline, µs, 2 epoch, 3 own key and payload, 4 by how much Redis's clock
-- has been set, µs. Answers the event's id.
local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2]
if at >= ARGV[1] + 0 then
  return
end
local room, epoch, payload = KEYS[1], ARGV[2], ARGV[3]
local place = redis.call('HINCRBY', room, epoch, 1)
if place < 2 or place % 64 == 0 then
  redis.call('HINCRBY', room, epoch, -1)
  if redis.call('HGET', room, 'epoch') ~= epoch then -- the room has another epoch, or is gone
    redis.call('HDEL', room, epoch)
  end
  return
end
local held, refused
if TOKEN_US > 0 then
  local now = at - ARGV[4]
  local full = now + TOKEN_US
  -- Right for a user whose bucket was full, which is nearly always so.
  held = redis.pcall('SET', KEYS[2], string.format('%d', full), 'KEEPTTL', 'GET')
  if type(held) == 'table' then
    redis.call('HINCRBY', room, epoch, -1)
    return
  end
  local was = (held or 0) + 0
  if was > now then
    full = was + TOKEN_US
    if full > now + MOST_US then
      redis.call('SET', KEYS[2], held, 'KEEPTTL')
      redis.call('HINCRBY', room, epoch, -1)
      return
    end
    redis.call('SET', KEYS[2], string.format('%d', full), 'KEEPTTL')
  end
  -- So seldom is often enough: a bucket is kept for this much longer than it takes to fill.
  if full - full % KEPT_US > was then
    refused = type(redis.pcall('PEXPIRE', KEYS[2], BUCKET_MS)) == 'table'
  end
end
local id = string.format('%d-%d', place, at / 1000)
local log = room .. ':log'
if refused or type(redis.pcall('XADD', log, 'NOMKSTREAM', id, 'p', payload)) ~= 'string' then
  redis.call('HINCRBY', room, epoch, -1)
  if held then
    redis.call('SET', KEYS[2], held, 'KEEPTTL')
  elseif held == false then -- there was none; without a limit it is nil
    redis.pcall('DEL', KEYS[2])
  end
  return
end
-- Who hears it cannot ask before this script has ended.
local heard = redis.pcall('PUBLISH', room, epoch .. ':' .. id .. ' ' .. payload)
if type(heard) == 'table' then
  local undone = redis.pcall('XDEL', log, id)
  -- Neither announced nor undone: the room's life ends.
  redis.call('HINCRBY', room, epoch, type(undone) == 'table' and '-9000000000000000' or -1)
  error(heard.err, 0)
end
return id
