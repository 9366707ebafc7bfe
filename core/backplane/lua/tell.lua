-- What instances tell each other that is no event. ARGV 1 channel, 2 message. Answers how many heard it.
return redis.call('PUBLISH', ARGV[1], ARGV[2])
