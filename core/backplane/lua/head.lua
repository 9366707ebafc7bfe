keep()
return answer('ok')
