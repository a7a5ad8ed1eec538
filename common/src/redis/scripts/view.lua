-- Returns a room as one member sees it.
-- ARGV: org, user, the most members to return ('' for all), seq up to which messages have expired
-- {'found', meta, members, marks, unread or 'unknown', last message's present state or nil, mentions or 'unknown'}
-- | {'notFound'} | {'cold'}
local org, user, inline, expired = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local facts = redis.call('HGETALL', META)
local members, marks = {}, {}
if inline == '' or tonumber(meta('members')) <= tonumber(inline) then
  members, marks = redis.call('HGETALL', MEMBERS), redis.call('HGETALL', MARKS)
else
  members = { user, redis.call('HGET', MEMBERS, user) }
  for _, field in ipairs({ 'r:' .. user, 'd:' .. user }) do
    marks[#marks + 1] = field
    marks[#marks + 1] = redis.call('HGET', MARKS, field) or '0'
  end
end
local unread = 'unknown'
if redis.call('HEXISTS', MARKS, 'q:' .. user) == 0 then
  local deleted = redis.call('ZCOUNT', DELETED, '(' .. text(mark('r:' .. user)), '+inf')
  local others = tonumber(meta('count')) - mark('n:' .. user) - deleted - mark('o:' .. user)
  unread = text(math.max(0, math.min(UNREAD_CAP, others)))
end
local last = meta('last')
local mentions = 'unknown'
if redis.call('HEXISTS', MARKS, 'w:' .. user) == 0 then
  local after = math.max(mark('r:' .. user), tonumber(expired))
  mentions = text(math.min(UNREAD_CAP, redis.call('ZCOUNT', mentions_key(user), '(' .. text(after), '+inf')))
end
return { 'found', facts, members, marks, unread, last ~= '0' and present(last) or false, mentions }
