-- A user's token bucket. KEYS 1 bucket, tagged {user}. ARGV 1 rate a second, 2 burst, 3 tokens to take (-1: give back).
-- Answers 0 when there was one, else the milliseconds until there is.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local rate, burst, take = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tokens, at = unpack(redis.call('HMGET', KEYS[1], 'tokens', 'at'))
if tokens then
  tokens = math.min(burst, tonumber(tokens) + math.max(0, now - tonumber(at)) * rate)
else
  tokens = burst
end
local wait = 0
if tokens >= take then
  tokens = math.min(burst, tokens - take)
else
  wait = math.max(1, math.ceil((take - tokens) / rate * 1000))
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
-- A full bucket says no more than none.
redis.call('PEXPIRE', KEYS[1], math.ceil((burst - tokens) / rate * 1000) + 1)
return wait
