-- Returns messages in their present state from the stream, those after `after` and before `before`.
-- ARGV: org, user, after, before ('' for none), limit, 'asc' or 'desc', the most bytes of bodies
-- {'found', trimmed, {state, …}, created at (ms), '1' if it stopped early, with one message at least} | {'notFound'}
-- | {'cold'}
-- Messages at or before `trimmed` must be read from DynamoDB.
local org, user, after, before, limit, direction, bytes_max = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
limit, bytes_max = tonumber(limit), tonumber(bytes_max)
local trimmed = meta('trimmed')
-- Nothing comes before 0, and Redis has no interval that ends there.
if before == '0' then return { 'found', trimmed, {}, meta('at'), '0' } end
local low = '(' .. text(math.max(tonumber(after), tonumber(trimmed))) .. '-0'
local high = before == '' and '+' or '(' .. before .. '-0'
local states, bytes = {}, 0
while #states < limit do
  local entries
  if direction == 'asc' then
    entries = redis.call('XRANGE', STREAM, low, high, 'COUNT', 64)
  else
    entries = redis.call('XREVRANGE', STREAM, high, low, 'COUNT', 64)
  end
  for _, entry in ipairs(entries) do
    if entry[2][2] == 'c' and #states < limit then
      if bytes > bytes_max then return { 'found', trimmed, states, meta('at'), '1' } end
      local state = present(entry[2][6])
      states[#states + 1] = state
      bytes = bytes + (state and #state[6] or 0)
    end
  end
  if #entries < 64 then break end
  if direction == 'asc' then low = '(' .. entries[#entries][1] else high = '(' .. entries[#entries][1] end
end
return { 'found', trimmed, states, meta('at'), '0' }
