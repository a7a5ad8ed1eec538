-- Creates a room, unless it exists.
-- ARGV: org, caller, kind (direct or group), name or '', case or '', then user, role (o or m), name of each member
-- {'created', version, epoch} | {'exists', highest version that is not known to be stored or ''} | {'cold'}
local org, caller, kind, name, case = unpack(ARGV)
if redis.call('EXISTS', META) == 1 then
  if not is_trusted(meta('history')) then return { cold() } end
  return { 'exists', highest_unstored_part() }
end
redis.call('DEL', MEMBERS, MARKS, STREAM, CHANGED, DELETED)
lay_foundations()
local version = text(micros())
local members = 0
for index = 6, #ARGV, 3 do
  members = members + 1
  redis.call('HSET', MEMBERS, ARGV[index], ARGV[index + 1] .. ' ' .. version .. ' 0 ' .. ARGV[index + 2])
end
redis.call('HSET', META, 'org', org, 'history', history(), 'kind', kind, 'name', name, 'case', case, 'by', caller,
  'at', text(math.floor(tonumber(version) / 1000)), 'v', version, 'epoch', version, 'seq', '0', 'trimmed', '0',
  'last', '0', 'count', '0', 'members', members, 'archived', '0')
redis.call('ZADD', UNSTORED, version, 'r:' .. room .. ':' .. version)
return { 'created', version, version }
