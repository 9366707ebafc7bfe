-- One life of the database: ends when it is emptied, or restarted from a copy that may lack what was acknowledged.
-- And by how much its clock has been set while leases ran: they are counted on a clock that nobody sets.
-- KEYS 1 life. ARGV 1 the server's run id, 2 "1" when a restart keeps what was acknowledged, 3 keep, ms,
-- 4 the life that this connection knows, else "0", 5 by how much the caller saw the clock being set since its last look,
-- 6 by how much it knows the clock was set in all, 7 where it expects the clock to be, or "0"; all ms.
-- Answers now in ms, the life, a number that only grows, since when this key has been there, and the clock's slip.
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local now = string.format('%.0f', now_ms)
local life, run, since, seen, slip = unpack(redis.call('HMGET', KEYS[1], 'life', 'run', 'since', 'seen', 'slip'))
if not life and ARGV[4] ~= '0' then
  -- Emptied under a standing connection: every room is gone, and those that began since are in order.
  life, run, since = ARGV[4], ARGV[1], now
elseif not life or (run ~= ARGV[1] and ARGV[2] ~= '1') then
  life, since = now, now
end
seen, slip = tonumber(seen), tonumber(slip or ARGV[6])
-- The first who saw the step says so. Whoever was away itself is refuted by a look that others took meanwhile.
local step = tonumber(ARGV[5])
local believed = seen and ((step > 0 and now_ms - seen >= step) or (step < 0 and now_ms < seen))
if believed then
  slip = slip + step
end
-- A look counts only if the caller finds the clock where it expects it: one that does not will say so in a moment.
if believed or not seen or math.abs(now_ms - tonumber(ARGV[7])) < 1000 then
  seen = now_ms
end
redis.call('HSET', KEYS[1], 'life', life, 'run', ARGV[1], 'since', since,
  'seen', string.format('%.0f', seen), 'slip', string.format('%.0f', slip))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {now, life, since, string.format('%.0f', slip)}
