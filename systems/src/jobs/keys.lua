-- Begins each script of the jobs. KEYS[1] is what every key begins with; its braces keep them in one slot of a cluster.
--   queued   list of ids, oldest first
--   leases   sorted set of ids being worked on, by the end of their lease (ms)
--   retries  sorted set of ids that wait for their next try, by its time (ms)
--   dead     sorted set of ids that are given up, by the time of that (ms)
--   job:ID   hash: input, kind, state, tries, key, lease, result, error
--   key:KEY  id of the job that was submitted with this idempotency key
--   next, lease, done  counters: last id, last lease, jobs done so far
local system = KEYS[1]
local function key(name) return system .. ':' .. name end
local function job(id) return key('job:' .. id) end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Forgets a job, and the idempotency key that it came with, after `ms`.
local function expire(id, ms)
  local name = redis.call('HGET', job(id), 'key')
  redis.call('PEXPIRE', job(id), ms)
  if name then redis.call('PEXPIRE', key('key:' .. name), ms) end
end

-- Gives a job up. Of more than `most` dead letters the oldest are dropped.
local function bury(id, why, most)
  redis.call('HSET', job(id), 'state', 'dead', 'error', why)
  redis.call('ZADD', key('dead'), now(), id)
  while redis.call('ZCARD', key('dead')) > most do
    expire(redis.call('ZPOPMIN', key('dead'))[1], 0)
  end
end

-- Whether the lease of a job is still this one: a worker that was late must not change what another does.
local function holds(id, lease)
  local found = redis.call('HMGET', job(id), 'state', 'lease')
  return found[1] == 'running' and found[2] == lease
end

