-- Returns a room as one member sees it.
-- ARGV: org, user, the most members to return ('' for all), seq up to which messages have expired, the same of some
--       time ago
-- {'found', meta, members, marks, unread or 'unknown', last message's present state or nil, mentions or 'unknown'}
-- | {'notFound'} | {'cold'}
local org, user, inline, expired, recount = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local facts = redis.call('HGETALL', META)
local members, marks = {}, {}
if inline == '' or tonumber(meta('members')) <= tonumber(inline) then
  members, marks = shown_members({})
else
  members = { user, redis.call('HGET', MEMBERS, user) }
  for _, field in ipairs({ 'r:' .. user, 'd:' .. user }) do
    marks[#marks + 1] = field
    marks[#marks + 1] = redis.call('HGET', MARKS, field) or '0'
  end
end
local unread, read = 'unknown', mark('r:' .. user)
if redis.call('HEXISTS', MARKS, 'q:' .. user) == 0 then
  local deleted = redis.call('ZCOUNT', DELETED, '(' .. text(read), '+inf')
  local others = tonumber(meta('count')) - mark('n:' .. user) - deleted - mark('o:' .. user)
  -- Expired messages are not unread any more, and are in the count until it is made again, from time to time.
  local has_expired = read < tonumber(expired) and mark('e:' .. user) < tonumber(recount)
  if others <= 0 or not has_expired then unread = text(math.max(0, math.min(UNREAD_CAP, others))) end
end
local last = meta('last')
local mentions = 'unknown'
if redis.call('HEXISTS', MARKS, 'w:' .. user) == 0 then
  local after = math.max(read, tonumber(expired))
  local number = redis.pcall('ZCOUNT', mentions_key(user), '(' .. text(after), '+inf')
  mentions = text(math.min(UNREAD_CAP, tonumber(number) or 0))
end
return { 'found', facts, members, marks, unread, last ~= '0' and present(last) or false, mentions }
