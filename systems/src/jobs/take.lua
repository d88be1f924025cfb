-- Takes the oldest job: lease (ms), most tries, most dead letters. Says id, lease, tries and input, or nothing.
local length, most_tries, most_dead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = now()

-- First back come those whose worker was not heard of any more, and those whose next try is due.
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', time, 'LIMIT', 0, 100)) do
  redis.call('ZREM', key('leases'), id)
  local tries = tonumber(redis.call('HGET', job(id), 'tries') or most_tries)
  if tries >= most_tries then
    bury(id, 'the lease ended before the job did, in try ' .. tries, most_dead)
  else
    redis.call('HSET', job(id), 'state', 'queued')
    redis.call('LPUSH', key('queued'), id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('retries'), '-inf', time, 'LIMIT', 0, 100)) do
  redis.call('ZREM', key('retries'), id)
  redis.call('RPUSH', key('queued'), id)
end

-- A job that a late worker completed after all is still in the queue, and is passed over.
for _ = 1, 100 do
  local id = redis.call('LPOP', key('queued'))
  if not id then return false end
  if redis.call('HGET', job(id), 'state') == 'queued' then
    local lease = string.format('%d', redis.call('INCR', key('lease')))
    local tries = redis.call('HINCRBY', job(id), 'tries', 1)
    redis.call('HSET', job(id), 'state', 'running', 'lease', lease)
    redis.call('ZADD', key('leases'), time + length, id)
    return {id, lease, tries, redis.call('HGET', job(id), 'input')}
  end
end
return false
