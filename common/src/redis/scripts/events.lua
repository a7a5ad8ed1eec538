-- Returns the events after a seq, for a client's resume and a node's backfill.
-- ARGV: org, user, after, limit, the most bytes of bodies, then perhaps 'moment' if `after` is a moment and not an event
--       that the caller has seen, or 'part' for the first events where there are more
-- {'found', 'whole', 'part' or 'truncated', head, epoch, trimmed, {{seq, prev, kind, message, ordinal, sender, body,
--   present version, present kind, present body}, …}, '1' if it is truncated for the bytes} | {'notFound'} | {'cold'}
local org, user, after, limit, bytes_max, kind = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local found = redis.call('HMGET', META, 'seq', 'epoch', 'trimmed')
local head, trimmed = tonumber(found[1]), tonumber(found[3])
local seen = tonumber(after)
local truncated = { 'found', 'truncated', found[1], found[2], found[3], {} }
local is_event = kind ~= 'moment'
if (is_event and seen > head) or (seen < trimmed and seen ~= head) then return truncated end
local events, bytes = {}, 0
limit, bytes_max = tonumber(limit), tonumber(bytes_max)
while true do
  -- A few at a time: what is too much is not read to its end, and where any is too much, one shows it.
  local count = bytes_max > 0 and math.min(64, limit + 1 - #events) or 1
  local entries = redis.call('XRANGE', STREAM, '(' .. after .. '-0', '+', 'COUNT', count)
  -- The last event that the caller saw is no longer in the room: a failover lost it and the events before it.
  if is_event and #events == 0 and entries[1] and tonumber(entries[1][2][4]) < seen then return truncated end
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    local event = { string.match(entry[1], '^%d+'), fields[4], fields[2], fields[6], fields[8], fields[10], fields[12] }
    local state = fields[2] ~= 'u' and present(fields[6])
    if state and state[2] ~= event[1] then
      event[8], event[9], event[10] = state[2], state[3], state[6]
    end
    events[#events + 1] = event
    bytes = bytes + #event[7] + #(event[10] or '')
    if #events > limit or bytes > bytes_max then
      if kind == 'part' then return { 'found', 'part', found[1], found[2], found[3], events } end
      if #events <= limit then truncated[7] = '1' end
      return truncated
    end
    after = event[1]
  end
  if #entries < count then break end
end
return { 'found', 'whole', found[1], found[2], found[3], events }
