-- Adds an event to the stream, once for each id within a day: id, event, most that may wait. Says 1, or 0 where it was there.
-- KEYS[1] is what every key begins with; its braces keep them in one slot of a cluster.
--   events    stream of events that are to be told of, each with its field event
--   told:ID   an event that was added
--   poisoned  stream of those that nobody could read: event, why
--   sent      how many were told of
local system = KEYS[1]
if redis.call('XLEN', system .. ':events') >= tonumber(ARGV[3]) then return redis.error_reply('OOM the stream of events is full') end
if not redis.call('SET', system .. ':told:' .. ARGV[1], 1, 'NX', 'EX', 86400) then return 0 end
redis.call('XADD', system .. ':events', '*', 'event', ARGV[2])
return 1
