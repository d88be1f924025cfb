-- Makes a lease longer: id, lease, length (ms) from now. Says 1, or 0 where the lease is another's by now.
if not holds(ARGV[1], ARGV[2]) then return 0 end
redis.call('ZADD', key('leases'), now() + tonumber(ARGV[3]), ARGV[1])
return 1
