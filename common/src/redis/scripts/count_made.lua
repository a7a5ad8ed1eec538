-- Counts what somebody makes today, unless it would be too much.
-- KEYS: what they made
-- ARGV: the most of a day, what is made now
-- 0 if it is counted, else the seconds until the day is over (UTC)
local now = tonumber(redis.call('TIME')[1])
local day = math.floor(now / 86400)
local found = redis.call('HMGET', KEYS[1], 'day', 'n')
local made = (tonumber(found[1]) == day and tonumber(found[2]) or 0) + tonumber(ARGV[2])
if made > tonumber(ARGV[1]) then return (day + 1) * 86400 - now end
redis.call('HSET', KEYS[1], 'day', string.format('%d', day), 'n', string.format('%d', made))
redis.call('EXPIRE', KEYS[1], 86400)
return 0
