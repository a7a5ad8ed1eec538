-- Renews the lease by which a node says what it writes, and reads those of all nodes.
-- KEYS: the leases. ARGV: `<format> <node>`, duration (ms)
-- Returns: `<format> <node>` of every node whose lease is valid
local now = redis.call('TIME')
local millis = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[1], millis, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', millis - ARGV[2])
return redis.call('ZRANGE', KEYS[1], 0, -1)
