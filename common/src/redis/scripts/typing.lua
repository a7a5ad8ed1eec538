-- Announces to the room's nodes that a member is typing, or has stopped. Nothing is stored.
-- ARGV: org, user, '1' or '0' (is typing), '1' to announce or '0' only to check that the user may
-- {'told'} | {'archived'} | {'notFound'} | {'cold'}
local org, user, typing, tell = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
if meta('archived') ~= '0' then return { 'archived' } end
if tell == '1' then
  redis.call('SPUBLISH', base .. ':events', table.concat({ 't', user, typing }, '\n'))
end
return { 'told' }
