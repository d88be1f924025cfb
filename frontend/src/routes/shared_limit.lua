-- The generic cell rate algorithm, as rate_limit.rs has it, under the store's clock, in microseconds. The key is when the allowance of
-- a client is whole again; without one it is whole. The arguments are nanoseconds. Gives back whether the request is admitted, and in
-- how long the allowance is whole. After a clock was set back a client has nothing left, and gets it back as ever.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local step, period = ARGV[1] / 1000, ARGV[2] / 1000
local before = tonumber(redis.call('GET', KEYS[1]) or 0)
local whole_at = math.min(math.max(before, now), now + period)
local admitted = whole_at + step <= now + period
if admitted then
  whole_at = whole_at + step
end
if admitted or whole_at < before then
  redis.call('SET', KEYS[1], string.format('%.2f', whole_at), 'PX', math.ceil((whole_at - now) / 1000))
end
return {admitted and 1 or 0, math.ceil(whole_at - now)}
