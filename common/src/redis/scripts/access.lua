-- Returns, for a member, whether a room is archived.
-- ARGV: org, user
-- {'found', archived: '0' or since when (ms)} | {'notFound'} | {'cold'}
local org, user = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
return { 'found', meta('archived') }
