-- One life of the database: ends when it is emptied, or restarted from a copy that may lack what was acknowledged.
-- KEYS 1 life. ARGV 1 the server's run id, 2 "1" when a restart keeps what was acknowledged, 3 keep, ms,
-- 4 the life that this connection knows, else "0".
-- Answers now in ms, the life, a number that only grows, and since when this key has been there.
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local life, run, since = unpack(redis.call('HMGET', KEYS[1], 'life', 'run', 'since'))
if not life and ARGV[4] ~= '0' then
  -- Emptied under a standing connection: every room is gone, and those that began since are in order.
  life, run, since = ARGV[4], ARGV[1], now
elseif not life or (run ~= ARGV[1] and ARGV[2] ~= '1') then
  life, since = now, now
end
redis.call('HSET', KEYS[1], 'life', life, 'run', ARGV[1], 'since', since)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {now, life, since}
