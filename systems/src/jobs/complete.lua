-- Writes the result of a job: id, result, how long it is kept (ms). The first result stays, whoever brings it: a worker
-- that lost its lease has done the same work. Says 1, or 0 where there is a result already or the job is gone.
local id, result, keep = ARGV[1], ARGV[2], tonumber(ARGV[3])
local state = redis.call('HGET', job(id), 'state')
if not state or state == 'done' then return 0 end
redis.call('HSET', job(id), 'state', 'done', 'result', result)
redis.call('HDEL', job(id), 'error')
for _, set in ipairs({'leases', 'retries', 'dead'}) do redis.call('ZREM', key(set), id) end
redis.call('INCR', key('done'))
expire(id, keep)
return 1
