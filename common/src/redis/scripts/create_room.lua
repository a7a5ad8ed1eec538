-- Creates a room, unless it exists.
-- ARGV: org, caller, kind (direct or group), name or '', case or '', then user, role (o or m), name of each member
-- {'created', version, epoch} | {'exists', highest version that is not known to be stored or ''}
local org, caller, kind, name, case = unpack(ARGV)
if redis.call('EXISTS', META) == 1 then
  local versions, seen = { meta('v') }, {}
  for _, value in ipairs(redis.call('HVALS', MEMBERS)) do
    local version = string.match(value, '^%a (%d+)')
    if not seen[version] then
      seen[version] = true
      versions[#versions + 1] = version
    end
  end
  return { 'exists', highest_unstored(versions) }
end
redis.call('DEL', MEMBERS, MARKS, STREAM, CHANGED, DELETED)
local version = text(micros())
local members = 0
for index = 6, #ARGV, 3 do
  members = members + 1
  redis.call('HSET', MEMBERS, ARGV[index], ARGV[index + 1] .. ' ' .. version .. ' 0 ' .. ARGV[index + 2])
end
redis.call('HSET', META, 'org', org, 'kind', kind, 'name', name, 'case', case, 'by', caller,
  'at', text(math.floor(tonumber(version) / 1000)), 'v', version, 'epoch', version, 'seq', '0', 'trimmed', '0',
  'last', '0', 'count', '0', 'members', members, 'archived', '0')
redis.call('ZADD', UNSTORED, version, 'r:' .. room .. ':' .. version)
return { 'created', version, version }
