-- Moves a member's mark forward; one past the head is clamped to it. What is read is delivered.
-- ARGV: org, user, 'r' or 'd', seq
-- {'marked', readSeq, deliveredSeq, '1' if it moved} | {'notFound'} | {'cold'}
local org, user, kind, seq = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local read, delivered = mark('r:' .. user), mark('d:' .. user)
local wanted = math.min(tonumber(seq), tonumber(meta('seq')))
local moved = false
if kind == 'r' and wanted > read then
  advance(user, read, wanted)
  read, moved = wanted, true
  redis.call('ZREMRANGEBYSCORE', mentions_key(user), '-inf', text(read))
end
if wanted > delivered then delivered, moved = wanted, true end
if moved then
  redis.call('HSET', MARKS, 'r:' .. user, text(read), 'd:' .. user, text(delivered))
  redis.call('SPUBLISH', base .. ':events', table.concat({ 'm', user, text(read), text(delivered) }, '\n'))
end
return { 'marked', text(read), text(delivered), moved and '1' or '0' }
