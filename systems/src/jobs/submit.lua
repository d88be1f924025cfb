-- Adds a job: kind, input, idempotency key (empty is none), most that may wait. Says new, same, other or full, and the id.
local kind, input, name, most = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
if name ~= '' then
  local id = redis.call('GET', key('key:' .. name))
  if id then
    return {redis.call('HGET', job(id), 'input') == input and 'same' or 'other', id}
  end
end
if redis.call('LLEN', key('queued')) + redis.call('ZCARD', key('retries')) >= most then return {'full', ''} end
local id = string.format('%d', redis.call('INCR', key('next')))
redis.call('HSET', job(id), 'kind', kind, 'input', input, 'state', 'queued', 'tries', 0)
if name ~= '' then
  redis.call('HSET', job(id), 'key', name)
  redis.call('SET', key('key:' .. name), id)
end
redis.call('RPUSH', key('queued'), id)
return {'new', id}
