-- Uses each command of the scripts once, on keys and a channel of no room. Answers what was refused: command, error…
-- KEYS 1 room, which is the channel too, 2 log, 3 past, 4 leases, 5 users, 6 due, 7 life, 8 bucket.
local refused = {}
local function try(...)
  local answer = redis.pcall(...)
  if type(answer) == 'table' and answer.err then
    refused[#refused + 1] = (...)
    refused[#refused + 1] = answer.err
  end
end
-- First of all one that needs memory: Redis asks only the first write of a script whether there is some.
try('HSET', KEYS[1], 'a', 1)
try('PEXPIRE', KEYS[1], 1000)
try('TIME')
try('RENAME', KEYS[1], KEYS[3])
try('HMGET', KEYS[1], 'a', 'b')
try('HGET', KEYS[1], 'a')
try('HSETNX', KEYS[1], 'a', 1)
try('HINCRBY', KEYS[1], 'b', 1)
try('HGETALL', KEYS[1])
try('HLEN', KEYS[1])
try('HDEL', KEYS[1], 'a')
try('GET', KEYS[8])
try('SET', KEYS[8], 1, 'PX', 1)
try('XADD', KEYS[2], 'NOMKSTREAM', '*', 'a', 1)
try('XLEN', KEYS[2])
try('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
try('XTRIM', KEYS[2], 'MAXLEN', 1)
try('XDEL', KEYS[2], '1-1')
try('ZADD', KEYS[4], 'XX', 1, 'a')
try('ZCARD', KEYS[4])
try('ZSCORE', KEYS[4], 'a')
try('ZREVRANGE', KEYS[4], 0, 0)
try('ZRANGEBYSCORE', KEYS[4], '-inf', '+inf', 'LIMIT', 0, 1)
try('ZREM', KEYS[4], 'a')
try('PUBLISH', KEYS[1], '')
try('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[8])
return refused
