-- Tells the room's nodes that a member types, or has stopped. Nothing is kept.
-- ARGV: org, user, '1' or '0', whether to tell: '1', or '0' to look only whether they might
-- {'told'} | {'archived'} | {'notFound'} | {'cold'}
local org, user, typing, tell = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
if meta('archived') ~= '0' then return { 'archived' } end
if tell == '1' then
  redis.call('SPUBLISH', base .. ':events', table.concat({ 't', user, typing }, '\n'))
end
return { 'told' }
