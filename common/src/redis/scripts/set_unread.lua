-- Keeps a count made in the history, if nothing happened to the room or the mark meanwhile.
-- ARGV: user, readSeq it was made for, head it was made at, how many late messages were known, others' undeleted
--       messages, own undeleted messages
local user, read, head, late, others, own = unpack(ARGV)
if meta('seq') ~= head or (meta('late') or '0') ~= late or text(mark('r:' .. user)) ~= read then return 0 end
if is_settling() then return 0 end
local deleted = redis.call('ZCOUNT', DELETED, '(' .. read, '+inf')
local before = tonumber(meta('count')) - tonumber(others) - tonumber(own) - deleted
redis.call('HSET', MARKS, 'n:' .. user, text(before), 'o:' .. user, own)
redis.call('HDEL', MARKS, 'q:' .. user)
return 1
