-- Rooms where a lease may have run out, each given to one caller. KEYS 1 due, a zset room -> when to look, ms.
-- ARGV 1 how many, 2 ms after which another may look if the caller never settles, 3 the clock's slip, ms.
-- Answers the claim, then the rooms.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - tonumber(ARGV[3])
local again = string.format('%.0f', now + tonumber(ARGV[2]))
local rooms = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now), 'LIMIT', 0, ARGV[1])
for _, room in ipairs(rooms) do
  redis.call('ZADD', KEYS[1], again, room)
end
table.insert(rooms, 1, again)
return rooms
