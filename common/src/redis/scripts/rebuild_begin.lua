-- Begins the rebuild of a room, or goes on with it.
-- ARGV: node, lease (ms), quiet (µs): the time for which gateways may still send what an earlier history accepted
-- {'trusted'}: there is nothing to do | {'absent'}: Redis has nothing of it | {'wait', ms}: until it is quiet | {'held'}:
-- another node does it | {'fence', history, highest version of the room itself that is not known to be stored, or ''}
local node, lease, quiet = unpack(ARGV)
if redis.call('EXISTS', META) == 0 then return { 'absent' } end
if is_trusted(meta('history')) then return { 'trusted' } end
cold()
local left = tonumber(redis.call('HGET', HISTORY, 'since')) + tonumber(quiet) - micros()
if left > 0 then return { 'wait', text(math.ceil(left / 1000)) } end
local holder = redis.call('GET', REBUILD)
if holder and holder ~= node then return { 'held' } end
redis.call('SET', REBUILD, node, 'PX', lease)
return { 'fence', history(), highest_unstored_part() }
