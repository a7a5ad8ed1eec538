-- Opens a room that was rebuilt from DynamoDB, under a new epoch, unless another node was faster.
-- ARGV: the history that its fence went through the queue under and the token of its reading, both '' if Redis had nothing
--       of the room, then: org, kind, name, case, by, at, archived, version, head, last message's seq, count, number of those
--       present, number of members, then for each: user, value (`role version joinedSeq name`), and then, again for each, four
--       marks with their values
-- {'installed', epoch} | {'exists'} | {'again'}: something came in between
local fenced, token, org, kind, name, case, by, at, archived, version, head, last, count, present, members = unpack(ARGV, 1, 15)
local is_there = redis.call('EXISTS', META) == 1
if is_there and is_trusted(meta('history')) then return { 'exists' } end
if is_there and fenced == '' then return { 'again' } end
if fenced ~= '' and (fenced ~= history() or redis.call('GET', READ) ~= token) then return { 'again' } end
redis.call('DEL', META, MEMBERS, MARKS, STREAM, CHANGED, DELETED)
lay_foundations()
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
-- Whoever saw more than is there now, or less than what was lost, reads it anew.
if fenced ~= '' then head = epoch end
redis.call('HSET', META, 'org', org, 'history', history(), 'kind', kind, 'name', name, 'case', case, 'by', by, 'at', at,
  'archived', archived, 'v', version, 'epoch', epoch, 'rebuilt', epoch, 'seq', head, 'trimmed', epoch, 'last', last, 'count', count,
  'members', present)
-- As many in a call as the stack of Lua surely takes.
local function set_all(key, from, to)
  for first = from, to, 4000 do redis.call('HSET', key, unpack(ARGV, first, math.min(first + 3999, to))) end
end
local marks = 16 + 2 * members
set_all(MEMBERS, 16, marks - 1)
-- The room settles: its unread messages are counted in the history.
set_all(MARKS, marks, #ARGV)
redis.call('DEL', READ, REBUILD)
-- A publication without a place makes its listeners ask.
if fenced ~= '' then redis.call('SPUBLISH', base .. ':events', 'h\n' .. epoch) end
return { 'installed', epoch }
