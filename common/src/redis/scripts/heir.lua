-- Who becomes owner when no owner is left: the member of the longest standing.
-- {user} or {} when there is an owner, or nobody
local oldest, since
local all = redis.call('HGETALL', MEMBERS)
for index = 1, #all, 2 do
  local role, version = string.match(all[index + 1], '^(%a) (%d+) ')
  if role == 'o' then return {} end
  if role == 'm' and (not since or tonumber(version) < since
      or (tonumber(version) == since and all[index] < oldest)) then
    oldest, since = all[index], tonumber(version)
  end
end
return oldest and { oldest } or {}
