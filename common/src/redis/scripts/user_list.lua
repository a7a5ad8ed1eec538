-- Returns a user's list of rooms, if it was loaded under the present history.
-- KEYS: the list. ARGV: '1' on a cluster, then a room to read it only of that one
-- {'whole', list} | {'whole', value or ''} | {'part'}
is_cluster = ARGV[1] == '1'
if redis.call('HGET', KEYS[1], '*') ~= history() then return { 'part' } end
if ARGV[2] then return { 'whole', redis.call('HGET', KEYS[1], ARGV[2]) or '' } end
return { 'whole', redis.call('HGETALL', KEYS[1]) }
