-- Ends a user's sessions: tells their nodes, and notes the moment, so that no token from before it begins another.
-- KEYS: when the user's sessions were ended
-- ARGV: for how many seconds it is noted
local now = redis.call('TIME')[1]
redis.call('SET', KEYS[1], now, 'EX', ARGV[1])
redis.call('SPUBLISH', string.sub(KEYS[1], 1, -#':revoked' - 1) .. ':events', 'x\n')
return 1
