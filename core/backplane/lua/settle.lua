-- What became of a claim. KEYS 1 due. ARGV 1 the claim, 2 keep in ms, then room, when to look next ("0": never)…
-- A room that got a new entry since then keeps that one.
for i = 3, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) == ARGV[1] then
    if ARGV[i + 1] == '0' then
      redis.call('ZREM', KEYS[1], ARGV[i])
    else
      redis.call('ZADD', KEYS[1], ARGV[i + 1], ARGV[i])
    end
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
