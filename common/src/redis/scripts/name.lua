-- Notes the name that a user's token carries.
-- KEYS: the user's profile
-- ARGV: name
-- 1 if rooms and the directory may not have it yet, 0 if they have
local profile = KEYS[1]
local found = redis.call('HMGET', profile, 'name', 'v', 'durable')
if found[1] == ARGV[1] then return found[3] == ARGV[1] and 0 or 1 end
local now = redis.call('TIME')
local version = math.max(tonumber(found[2] or '0') + 1, now[1] * 1000000 + now[2])
redis.call('HSET', profile, 'name', ARGV[1], 'v', string.format('%.0f', version))
redis.call('HDEL', profile, 'durable')
return 1
