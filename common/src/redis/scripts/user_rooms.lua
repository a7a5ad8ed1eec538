-- Merges memberships into a user's list of rooms, the higher version of each, and notifies the user's nodes.
-- KEYS: the list
-- ARGV: '1' on a cluster, then 'load' (all of DynamoDB's, or the last of them; nobody is notified), 'part' (of them) or
--       'change', then for each: room, version, '1' or '0'
local rooms, FORMER_KEPT = KEYS[1], 500
local channel = string.sub(rooms, 1, -#':rooms' - 1) .. ':events'
for index = 3, #ARGV, 3 do
  local room, version, member = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  local known = redis.call('HGET', rooms, room)
  if not known or tonumber(string.sub(known, 3)) < tonumber(version) then
    redis.call('HSET', rooms, room, member .. ' ' .. version)
    if ARGV[2] == 'change' then
      redis.call('SPUBLISH', channel, (member == '1' and 'a' or 'l') .. '\n' .. room)
    end
  end
end
-- Rooms that were left are forgotten a day later, from time to time, where there are many of them.
if ARGV[2] == 'change' and ARGV[5] == '0' and tonumber(ARGV[4]) % 64 == 0 and redis.call('HLEN', rooms) > FORMER_KEPT then
  local oldest, forgotten = tonumber(ARGV[4]) - 86400000000, {}
  local all = redis.call('HGETALL', rooms)
  for index = 1, #all, 2 do
    local left_at = string.match(all[index + 1], '^0 (%d+)$')
    if left_at and tonumber(left_at) < oldest and #forgotten < 4000 then forgotten[#forgotten + 1] = all[index] end
  end
  if #forgotten > 0 then redis.call('HDEL', rooms, unpack(forgotten)) end
end
is_cluster = ARGV[1] == '1'
if ARGV[2] == 'load' then redis.call('HSET', rooms, '*', history()) end
return 1
