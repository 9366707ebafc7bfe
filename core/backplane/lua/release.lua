-- ARGV 8 lease, "user\0lease".
if not redis.call('ZSCORE', KEYS[4], ARGV[8]) then
  return answer('ok')
end
if late then
  return answer('late')
end
trim()
mend()
prove_drop()
drop(ARGV[8])
keep()
return answer('ok')
