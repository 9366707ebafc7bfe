-- What nearly every publish is: counts, stores, takes a token, announces. In a room whose epoch the caller knows and
-- that needs no upkeep yet. Where there is more to do or to say, this undoes what it did and answers nothing; then
-- `publish` does it. It turns numbers into text, and text into numbers, as seldom as it can: that is dear in Lua.
-- KEYS 1 room, 2 the user's bucket. ARGV 1 deadline, ms, 2 epoch, 3 payload, with the sender's own key before it where
-- there is no retry key, 4 retry key, or "", 5 by how much Redis's clock has been set, ms. The last two may be left out.
-- Answers the offset.
local room, epoch, payload, retry = KEYS[1], ARGV[2], ARGV[3], ARGV[4]
local place = redis.call('HINCRBY', room, epoch, '1')
if place < 2 or place % 256 == 0 then
  redis.call('HINCRBY', room, epoch, '-1')
  if redis.call('HGET', room, 'epoch') ~= epoch then -- the room has another epoch, or is gone
    redis.call('HDEL', room, epoch)
  end
  return
end
local offset, log = string.format('%d', place), room .. ':log'
local id = redis.pcall('XADD', log, 'NOMKSTREAM', '*', offset, payload)
if not id or id.err then -- a text has no such field
  redis.call('HINCRBY', room, epoch, '-1')
  return
end
-- Redis names an event after its clock, or later where that was set back: so nothing is stored after its deadline.
-- Both begin with thirteen digits, the milliseconds; with another clock `publish` lets nobody come here.
local refused, noted, held = id >= ARGV[1], nil, nil
if retry and retry ~= '' and not refused then
  noted = redis.pcall('HSETNX', room, retry, offset .. '-' .. string.sub(id, 1, 13))
  refused = noted ~= 1 or redis.pcall('HGET', room .. ':past', retry)
end
if TOKEN_US > 0 and not refused then
  -- An id has no microseconds, so the offset stands in for them: a token may be refilled up to a millisecond too early
  -- or too late.
  local now = (string.sub(id, 1, 13) - (ARGV[5] or 0)) * 1000 + place % 1000
  local full = now + TOKEN_US
  -- Right for a user whose bucket was full, which is nearly always so.
  held = redis.pcall('SET', KEYS[2], string.format('%d', full), 'KEEPTTL', 'GET')
  if held and held.err then
    refused, held = true, nil
  else
    local was = (held or 0) + 0
    if was > now then
      full = was + TOKEN_US
      refused = full > now + MOST_US
      if not refused then
        redis.call('SET', KEYS[2], string.format('%d', full), 'KEEPTTL')
      end
    end
    -- So seldom is often enough: a bucket is kept for this much longer than it takes to fill.
    if not refused and full - full % KEPT_US > was then
      refused = type(redis.pcall('PEXPIRE', KEYS[2], BUCKET_MS)) == 'table'
    end
  end
end
if not refused then
  -- Who hears it cannot ask before this script has ended.
  refused = redis.pcall('PUBLISH', room, epoch .. ':' .. offset .. ' ' .. payload)
  if type(refused) ~= 'table' then
    if place % 64 == 0 then -- not sooner: for what is taken back no older event may go
      redis.pcall('XTRIM', log, 'MAXLEN', EVENTS)
    end
    return place
  end
end
local undone = redis.pcall('XDEL', log, id)
if noted == 1 and type(undone) ~= 'table' then
  undone = redis.pcall('HDEL', room, retry)
end
if held then
  redis.call('SET', KEYS[2], held, 'KEEPTTL')
elseif held == false then -- there was none; without a limit it is nil
  redis.pcall('DEL', KEYS[2])
end
-- What can't be undone ends the room's life.
redis.call('HINCRBY', room, epoch, type(undone) == 'table' and '-9000000000000000' or '-1')
if type(refused) == 'table' then
  error(refused.err, 0)
end
