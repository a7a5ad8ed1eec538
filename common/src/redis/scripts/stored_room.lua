-- Records that a change of a room has been written to DynamoDB. A room that was rebuilt before that write learns what
-- it missed: each part is taken if its version is higher.
-- ARGV: version, facts version or '', name, archived, number of members, then for each: user, value;
--       then for each mark: user, readSeq, deliveredSeq
local version, facts, name, archived, members = unpack(ARGV, 1, 5)
redis.call('ZREM', UNSTORED, 'r:' .. room .. ':' .. version)
redis.call('ZREM', JOURNALED, 'r:' .. room .. ':' .. version)
redis.call('DEL', READ)
if redis.call('EXISTS', META) == 0 then return 0 end
if facts ~= '' and tonumber(facts) > tonumber(meta('v')) then
  redis.call('HSET', META, 'name', name, 'archived', archived, 'v', facts)
end
local at_marks = 6 + 2 * tonumber(members)
for index = 6, at_marks - 1, 2 do
  local user, value = ARGV[index], ARGV[index + 1]
  local known = redis.call('HGET', MEMBERS, user)
  local old, new = known and string.match(known, '^%a (%d+)'), string.match(value, '^%a (%d+)')
  if not known or tonumber(old) < tonumber(new) then
    local was = known and string.sub(known, 1, 1) ~= 'x'
    local is = string.sub(value, 1, 1) ~= 'x'
    if is and not was then redis.call('HINCRBY', META, 'members', 1) end
    if was and not is then redis.call('HINCRBY', META, 'members', -1) end
    redis.call('HSET', MEMBERS, user, value)
    local joined = tonumber(string.match(value, '^%a %d+ (%d+)'))
    if is and joined > mark('r:' .. user) then
      -- Counted in the history once somebody asks: there may be a thousand of them.
      redis.call('HSET', MARKS, 'r:' .. user, text(joined), 'd:' .. user, text(joined), 'q:' .. user, '1', 'w:' .. user, '1')
    end
  end
end
for index = at_marks, #ARGV, 3 do
  local user, read, delivered = unpack(ARGV, index, index + 2)
  if tonumber(delivered) > mark('d:' .. user) then redis.call('HSET', MARKS, 'd:' .. user, delivered) end
  if tonumber(read) > mark('r:' .. user) then
    redis.call('HSET', MARKS, 'r:' .. user, read)
    recount(user, tonumber(read), WALK_MAX)
  end
  if tonumber(read) >= mark('r:' .. user) and tonumber(delivered) >= mark('d:' .. user) then
    redis.call('HDEL', MARKS, 'u:' .. user)
  end
end
return 1
