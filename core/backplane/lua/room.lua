-- What every script on a room begins with. Nothing is written before a script decides to.
--
-- A line before it holds the settings: EVENTS kept, for HISTORY_MS at most; a room's expiry is renewed every SLACK_MS;
-- a user's message takes TOKEN_US of a bucket of MOST_US, 0: no limit; the bucket's expiry, BUCKET_MS, is renewed every
-- KEPT_US.
-- KEYS 1 is the room, and its channel. Its other keys begin with this name; lua/presence.lua has two more. All expire.
--   ROOM       hash   epoch; epoch -> offset of the newest event; life of the database it was begun in; until when its
--                     expiry need not be renewed; retry key -> offset-milliseconds, since `turn`
--   ROOM:log   stream the last events: offset -> payload, with its sender's own key before it; ids are Redis's own
--   ROOM:past  hash   what ROOM was before `turn`, for its retry keys
-- ARGV
--   1 deadline, ms   2 life   3 an epoch, if one is needed   4 by how much Redis's clock has been set, ms
--   5 "1" if it may have been done already   6 retry key, or ""   7 the epoch that the caller knows, or ""
--   8.. the script's own
-- Answers begin with: now in ms, status, epoch, offset, events appended.

local room, log, retry = KEYS[1], KEYS[1] .. ':log', ARGV[6]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local late = now >= ARGV[1] + 0
local head = redis.call('HMGET', room, 'epoch', 'life', 'fresh', retry, ARGV[7])
local epoch, offset, fresh, known = head[1], 0, head[3], head[4]
local appended = 0
local kept_ms = HISTORY_MS + SLACK_MS

-- A new room, or one from before the database may have lost what it had acknowledged, or one whose life has ended.
if epoch and (head[2] == ARGV[2] or head[2] + 0 >= ARGV[2] + 0) then
  offset = (epoch == ARGV[7] and head[5] or redis.call('HGET', room, epoch) or -1) + 0
else
  offset = -1
end
if offset < 0 then
  epoch, offset, fresh, known = nil, 0, nil, nil
end
