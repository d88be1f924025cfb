-- Queues a vote: voter, option, most that may wait, most voters. Says queued, full (too many wait) or crowded (too many voters).
-- KEYS[1] is what every key begins with; its braces keep them in one slot of a cluster.
--   queued  list of votes, oldest first: voter and option in turn
--   voters  hash: what each voter voted for last
--   votes   hash: voters of each option
local system = KEYS[1]
if redis.call('LLEN', system .. ':queued') >= 2 * tonumber(ARGV[3]) then return 'full' end
if redis.call('HLEN', system .. ':voters') >= tonumber(ARGV[4])
  and redis.call('HEXISTS', system .. ':voters', ARGV[1]) == 0 then return 'crowded' end
redis.call('RPUSH', system .. ':queued', ARGV[1], ARGV[2])
return 'queued'
