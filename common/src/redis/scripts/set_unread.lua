-- Stores a count made in the history, if neither the room nor the mark changed meanwhile.
-- ARGV: user, readSeq it was made for, head it was made at, number of late messages known then, others' undeleted
--       messages (at least so many, if they are as many as are counted), own undeleted messages, seq up to which messages
--       had expired, then '' or 'mentions' and the messages that mention the user
local user, read, head, late, others, own, expired, mentions = unpack(ARGV, 1, 8)
if meta('seq') ~= head or (meta('late') or '0') ~= late or text(mark('r:' .. user)) ~= read then return 0 end
if is_settling() or not is_here(mentions_key(user)) then return 0 end
local deleted = redis.call('ZCOUNT', DELETED, '(' .. read, '+inf')
local before = tonumber(meta('count')) - tonumber(others) - tonumber(own) - deleted
redis.call('HSET', MARKS, 'n:' .. user, text(before), 'o:' .. user, own, 'e:' .. user, expired)
redis.call('HDEL', MARKS, 'q:' .. user)
if mentions == 'mentions' then
  forget_mentions(user)
  for index = 9, #ARGV do redis.call('ZADD', mentions_key(user), ARGV[index], ARGV[index]) end
end
return 1
