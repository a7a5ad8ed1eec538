-- Sets a message's state if the message still is at the version that the new state was made from.
-- ARGV: org, user, message seq, expected version, kind (e edited, d deleted, r reaction), body,
--       ordinal, sender, hint, the place at which it was read, number of users no longer mentioned, then they, then those
--       mentioned now
-- {'changed', seq, prev, epoch} | {'conflict'} | {'forbidden'} | {'archived'} | {'notFound'} | {'cold'}
local org, user, message, expected, kind, body, ordinal, sender, hint, read_at, unmentioned = unpack(ARGV, 1, 11)
local why = refused(org, user)
if why then return { why } end
if kind == 'e' and sender ~= user then return { 'forbidden' } end
if kind == 'd' and sender ~= user and role_of(user) ~= 'o' then return { 'forbidden' } end
if meta('archived') ~= '0' then return { 'archived' } end
local version = version_of(message)
if version and version ~= expected then return { 'conflict' } end
if not version and read_at ~= place() then return { 'conflict' } end

local seq, prev, epoch = append(kind, message, ordinal, sender, body, hint)
redis.call('HSET', CHANGED, message, seq)
await_storage(message, seq)
for index = 12, #ARGV do
  if index <= 11 + tonumber(unmentioned) then
    redis.pcall('ZREM', mentions_key(ARGV[index]), message)
  else
    add_mention(ARGV[index], sender, message)
  end
end
if kind == 'd' then
  redis.call('ZADD', DELETED, message, message)
  redis.call('ZREMRANGEBYRANK', DELETED, 0, -DELETED_MAX - 1)
  if tonumber(message) > mark('r:' .. sender) then add_own(sender, -1) end
end
return { 'changed', seq, prev, epoch }
