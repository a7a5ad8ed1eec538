-- Takes a lease, or prolongs the holder's own.
-- KEYS: the lease. ARGV: who asks, for how long (ms)
-- 1 if they hold it now, 0 if somebody else does
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
