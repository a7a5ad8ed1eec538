-- Returns messages in their present state from the stream, those after `after` and before `before`.
-- ARGV: org, user, after, before ('' for none), limit, 'asc' or 'desc', the most bytes of bodies
-- {'found', trimmed, {state, …}, created at (ms), '0', or '1' if it stopped early for its bytes, with one message at least,
--   or the seq up to which it has looked, because it had looked at enough, bytes that it looked at for nothing}
--   | {'notFound'} | {'cold'}
-- Messages at or before `trimmed` must be read from DynamoDB.
local org, user, after, before, limit, direction, bytes_max = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
limit, bytes_max = tonumber(limit), tonumber(bytes_max)
local trimmed = meta('trimmed')
-- Nothing comes before 0, and Redis has no interval that ends there.
if before == '0' then return { 'found', trimmed, {}, meta('at'), '0', '0' } end
local low = '(' .. text(math.max(tonumber(after), tonumber(trimmed))) .. '-0'
local high = before == '' and '+' or '(' .. before .. '-0'
-- Edits and reactions lie between the messages: whoever asks again goes on behind them, and others have their turn.
local WALK_ENTRIES, WALK_BYTES = 192, 524288
local ENTRY_BYTES = 100
local states, bytes, entries_walked, bytes_walked = {}, 0, 0, 0
local function found(stopped)
  local vain = bytes_walked - bytes + ENTRY_BYTES * (entries_walked - #states)
  return { 'found', trimmed, states, meta('at'), stopped, text(math.max(0, vain)) }
end
while #states < limit do
  local entries
  if direction == 'asc' then
    entries = redis.call('XRANGE', STREAM, low, high, 'COUNT', 64)
  else
    entries = redis.call('XREVRANGE', STREAM, high, low, 'COUNT', 64)
  end
  for _, entry in ipairs(entries) do
    entries_walked, bytes_walked = entries_walked + 1, bytes_walked + #entry[2][12]
    if entry[2][2] == 'c' and #states < limit then
      if bytes > bytes_max then return found('1') end
      local state = present(entry[2][6])
      states[#states + 1] = state
      bytes = bytes + (state and #state[6] or 0)
    end
  end
  if #entries < 64 or #states >= limit then break end
  if entries_walked >= WALK_ENTRIES or bytes_walked >= WALK_BYTES then
    return found(string.match(entries[#entries][1], '^%d+'))
  end
  if direction == 'asc' then low = '(' .. entries[#entries][1] else high = '(' .. entries[#entries][1] end
end
return found('0')
