-- Extra: user, leases, user, leases…
if not epoch then
  keep()
end
if mend() then
  keep()
end
return answer('ok', redis.call('HGETALL', users))
