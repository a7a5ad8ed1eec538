-- Opens a room that was rebuilt from DynamoDB, under a new epoch, unless another node was faster.
-- ARGV: org, kind, name, case, by, at, archived, version, head, last message's seq, count, number of members,
--       then for each: user, value (`role version joinedSeq name`), readSeq, deliveredSeq;
--       then for each message of the dedup window, and each file of one: day, sender or '', clientId or file, seq
local org, kind, name, case, by, at, archived, version, head, last, count, members = unpack(ARGV, 1, 12)
if redis.call('EXISTS', META) == 1 then return { 'exists' } end
redis.call('DEL', MEMBERS, MARKS, STREAM, CHANGED, DELETED)
local at_sent = 13 + 4 * tonumber(members)
for index = at_sent, #ARGV, 4 do
  local key = sent_key(tonumber(ARGV[index]))
  redis.call('HSETNX', key, sent_field(ARGV[index + 1], ARGV[index + 2]), ARGV[index + 3])
  redis.call('EXPIRE', key, SENT_TTL_SECONDS, 'NX')
end
-- Messages that reached DynamoDB after it was read for this rebuild.
local late = redis.call('HGETALL', LATE)
for index = 1, #late, 2 do
  local seq = late[index]
  local field = string.match(late[index + 1], '^%d+\n(.*)$')
  local key = sent_key(math.floor(tonumber(seq) / DAY_MICROS))
  if redis.call('HSETNX', key, field, seq) == 1 then
    redis.call('EXPIRE', key, SENT_TTL_SECONDS, 'NX')
    if tonumber(seq) > tonumber(last) then count = text(tonumber(count) + 1) end
  end
  if tonumber(seq) > tonumber(head) then head = seq end
end
for index = 1, #late, 2 do
  if tonumber(late[index]) > tonumber(last) then last = late[index] end
end
redis.call('DEL', LATE)
-- Everything before the epoch is read from DynamoDB, including what reaches it later: a client or node that saw less
-- than the head at the rebuild is told to read the history, which looks there.
local epoch = text(micros())
redis.call('HSET', META, 'org', org, 'kind', kind, 'name', name, 'case', case, 'by', by, 'at', at,
  'archived', archived, 'v', version, 'epoch', epoch, 'rebuilt', epoch, 'seq', head, 'trimmed', epoch, 'last', last, 'count', count)
local present_members = 0
for index = 13, at_sent - 1, 4 do
  local user, value = ARGV[index], ARGV[index + 1]
  redis.call('HSET', MEMBERS, user, value)
  redis.call('HSET', MARKS, 'r:' .. user, ARGV[index + 2], 'd:' .. user, ARGV[index + 3])
  if string.sub(value, 1, 1) ~= 'x' then present_members = present_members + 1 end
  recount(user, tonumber(ARGV[index + 2]), SCAN_MAX)
  redis.call('HSET', MARKS, 'w:' .. user, '1')
end
redis.call('HSET', META, 'members', present_members)
return { 'installed', epoch }
