-- ARGV 8 lease, "user\0lease".
if not redis.call('ZSCORE', leases, ARGV[8]) then
  return answer('ok')
end
if late then
  return answer('late')
end
mend()
prove_drop()
drop(ARGV[8])
keep()
return answer('ok')
