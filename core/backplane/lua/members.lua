-- Extra: user, leases, user, leases…
if not epoch then
  open()
  keep()
end
if mend() then
  keep()
end
return answer('ok', redis.call('HGETALL', KEYS[5]))
