-- Returns messages in their present state from the stream, those after `after` and before `before`.
-- ARGV: org, user, after, before ('' for none), limit, 'asc' or 'desc'
-- {'found', trimmed, {state, …}, created at (ms)} | {'notFound'} | {'cold'}
-- Messages at or before `trimmed` must be read from DynamoDB.
local org, user, after, before, limit, direction = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
limit = tonumber(limit)
local trimmed = meta('trimmed')
-- Nothing comes before 0, and Redis has no interval that ends there.
if before == '0' then return { 'found', trimmed, {}, meta('at') } end
local low = '(' .. text(math.max(tonumber(after), tonumber(trimmed))) .. '-0'
local high = before == '' and '+' or '(' .. before .. '-0'
local states = {}
while #states < limit do
  local entries
  if direction == 'asc' then
    entries = redis.call('XRANGE', STREAM, low, high, 'COUNT', 256)
  else
    entries = redis.call('XREVRANGE', STREAM, high, low, 'COUNT', 256)
  end
  for _, entry in ipairs(entries) do
    if entry[2][2] == 'c' and #states < limit then states[#states + 1] = present(entry[2][6]) end
  end
  if #entries < 256 then break end
  if direction == 'asc' then low = '(' .. entries[#entries][1] else high = '(' .. entries[#entries][1] end
end
return { 'found', trimmed, states, meta('at') }
