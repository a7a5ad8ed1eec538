-- Returns what adding a user to a room depends on.
-- KEYS: the user's rooms, profile
-- ARGV: the most rooms of a user
-- {'1' if their name is known, their name, '1' if they have that many rooms}
local rooms, name = KEYS[1], redis.call('HGET', KEYS[2], 'name')
local most, count = tonumber(ARGV[1]), redis.call('HLEN', rooms)
-- The hash also holds the rooms that they left: they are told apart only once there are that many.
if count >= most then
  count = 0
  for _, value in ipairs(redis.call('HVALS', rooms)) do
    if string.sub(value, 1, 2) == '1 ' then count = count + 1 end
  end
end
return { name and '1' or '0', name or '', count >= most and '1' or '0' }
