-- Notes a member's name, as their token carries it now. It is announced to the room's nodes, outside of the order of events.
-- ARGV: org, user, name
-- {'named', version, role, joinedSeq} | {'unchanged'} | {'notFound'} | {'cold'}
local org, user, name = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local role, old, joined, known = string.match(redis.call('HGET', MEMBERS, user), '^(%a) (%d+) (%d+) (.*)$')
if known == name then return { 'unchanged' } end
local version = text(math.max(tonumber(old) + 1, micros()))
redis.call('HSET', MEMBERS, user, role .. ' ' .. version .. ' ' .. joined .. ' ' .. name)
redis.call('ZADD', UNSTORED, version, 'r:' .. room .. ':' .. version)
redis.call('SPUBLISH', base .. ':events', table.concat({ 'n', user, name }, '\n'))
return { 'named', version, role, joined }
