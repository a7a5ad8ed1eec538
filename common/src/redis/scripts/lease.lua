-- Takes a lease, or renews the holder's own.
-- KEYS: the lease. ARGV: the requesting node, duration (ms)
-- 1 if the node holds it now, 0 if another does
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
