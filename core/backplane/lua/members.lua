-- Extra: user, leases, user, leases…
if not epoch then
  open()
  keep()
end
return answer('ok', redis.call('HGETALL', KEYS[5]))
