-- Merges memberships into a user's list of rooms, the higher version of each, and notifies the user's nodes.
-- KEYS: the user's base key
-- Answers with the user's name as they brought it themselves, or nil: who gave them another in a room has to mend it.
-- ARGV: 'load' (all of DynamoDB's; nobody is notified) or 'change', then for each: room, version, '1' or '0'
local rooms, channel = KEYS[1] .. ':rooms', KEYS[1] .. ':events'
for index = 2, #ARGV, 3 do
  local room, version, member = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local known = redis.call('HGET', rooms, room)
  if not known or tonumber(string.sub(known, 3)) < tonumber(version) then
    redis.call('HSET', rooms, room, member .. ' ' .. version)
    if ARGV[1] == 'change' then
      redis.call('SPUBLISH', channel, (member == '1' and 'a' or 'l') .. '\n' .. room)
    end
  end
end
if ARGV[1] == 'load' then redis.call('HSET', rooms, '*', '1') end
return redis.call('HGET', KEYS[1] .. ':profile', 'name')
