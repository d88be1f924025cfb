-- Notes that a try has failed: id, lease, why, pause before the next try (ms), most tries, most dead letters.
-- Says 1, or 0 where the lease is another's by now.
local id, lease, why, pause = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if not holds(id, lease) then return 0 end
redis.call('ZREM', key('leases'), id)
if tonumber(redis.call('HGET', job(id), 'tries')) >= tonumber(ARGV[5]) then
  bury(id, why, tonumber(ARGV[6]))
else
  redis.call('HSET', job(id), 'state', 'queued', 'error', why)
  redis.call('ZADD', key('retries'), now() + pause, id)
end
return 1
