open()
keep()
return answer('ok')
