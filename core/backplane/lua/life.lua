-- One life of the database: ends when it is emptied, or restarted from a copy that may lack what was acknowledged.
-- KEYS 1 life. ARGV 1 the server's run id, 2 "1" when a restart keeps what was acknowledged, 3 keep, ms.
-- Answers now in ms and the life: a number that only grows.
local time = redis.call('TIME')
local now = string.format('%.0f', tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local life, run = unpack(redis.call('HMGET', KEYS[1], 'life', 'run'))
if not life or (run ~= ARGV[1] and ARGV[2] ~= '1') then
  life = now
end
redis.call('HSET', KEYS[1], 'life', life, 'run', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {now, life}
