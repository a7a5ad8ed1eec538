-- Notes a member's name, as their token carries it now. Publishes no event: clients learn it with the room.
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
return { 'named', version, role, joined }
