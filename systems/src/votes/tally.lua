-- Counts queued votes, oldest first: how many at most. Says how many. The keys are those of vote.lua.
-- Taking a vote and counting it is one step, so that a worker that dies loses none and counts none twice.
local system, most = KEYS[1], tonumber(ARGV[1])
local popped = redis.call('LPOP', system .. ':queued', 2 * most)
if not popped then return 0 end
for i = 1, #popped, 2 do
  local voter, option = popped[i], popped[i + 1]
  local before = redis.call('HGET', system .. ':voters', voter)
  if before then redis.call('HINCRBY', system .. ':votes', before, -1) end
  redis.call('HINCRBY', system .. ':votes', option, 1)
  redis.call('HSET', system .. ':voters', voter, option)
end
return #popped / 2
