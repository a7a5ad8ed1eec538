-- Moves a member's mark forward; one past the head is clamped to it. What is read is delivered. `u:` is the time at which
-- a node was last told to journal the marks, until they are stored.
-- ARGV: org, user, 'r' or 'd', seq
-- {'marked', readSeq, deliveredSeq, '1' if the marks are to be journaled} | {'notFound'} | {'cold'}
local OWED_MICROS = 300000000
local org, user, kind, seq = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local read, delivered = mark('r:' .. user), mark('d:' .. user)
local wanted = math.min(tonumber(seq), tonumber(meta('seq')))
local moved = false
if kind == 'r' and wanted > read then
  advance(user, read, wanted)
  read, moved = wanted, true
  redis.pcall('ZREMRANGEBYSCORE', mentions_key(user), '-inf', text(read))
end
if wanted > delivered then delivered, moved = wanted, true end
local owed = moved
if moved then
  redis.call('HSET', MARKS, 'r:' .. user, text(read), 'd:' .. user, text(delivered))
  redis.call('SPUBLISH', base .. ':events', table.concat({ 'm', user, text(read), text(delivered) }, '\n'))
else
  -- The node that was told may have died, or SQS may have lost them.
  local told = mark('u:' .. user)
  owed = told > 0 and micros() - told > OWED_MICROS
end
if owed then redis.call('HSET', MARKS, 'u:' .. user, text(micros())) end
return { 'marked', text(read), text(delivered), owed and '1' or '0' }
