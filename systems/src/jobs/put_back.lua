-- Puts a dead letter back with all its tries: id, most that may wait. Says queued, full, or none where it is no dead letter.
local id, most = ARGV[1], tonumber(ARGV[2])
if not redis.call('ZSCORE', key('dead'), id) then return 'none' end
if redis.call('LLEN', key('queued')) + redis.call('ZCARD', key('retries')) >= most then return 'full' end
redis.call('ZREM', key('dead'), id)
redis.call('HSET', job(id), 'state', 'queued', 'tries', 0)
redis.call('HDEL', job(id), 'error')
redis.call('RPUSH', key('queued'), id)
return 'queued'
