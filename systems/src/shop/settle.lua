-- Ends an event of the stream: its entry, the group, and why nobody can read it, empty where it was told of. Says 1, or 0 where
-- another has ended it. A poisoned one is put aside, the oldest of more than 1000 go.
local system = KEYS[1]
local events = system .. ':events'
if redis.call('XACK', events, ARGV[2], ARGV[1]) == 0 then return 0 end
if ARGV[3] == '' then
  redis.call('INCR', system .. ':sent')
else
  local entry = redis.call('XRANGE', events, ARGV[1], ARGV[1])[1]
  local text = entry and table.concat(entry[2], ' ') or ''
  redis.call('XADD', system .. ':poisoned', 'MAXLEN', 1000, '*', 'event', text, 'why', ARGV[3])
end
redis.call('XDEL', events, ARGV[1])
return 1
