-- Gives a job back that was not tried to its end: id, lease. Says 1, or 0 where the lease is another's by now.
local id, lease = ARGV[1], ARGV[2]
if not holds(id, lease) then return 0 end
redis.call('ZREM', key('leases'), id)
redis.call('HINCRBY', job(id), 'tries', -1)
redis.call('HSET', job(id), 'state', 'queued')
redis.call('LPUSH', key('queued'), id)
return 1
