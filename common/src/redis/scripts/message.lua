-- Returns a message's present state.
-- ARGV: org, user, message seq
-- {'found', role, archived, place, seq, version, kind, ordinal, sender, body} | {'stored', role, archived, place}: ask
-- DynamoDB
-- | {'absent'} | {'notFound'} | {'cold'}
local org, user, message = unpack(ARGV)
local why = refused(org, user)
if why then return { why } end
local role, archived = role_of(user) or 'm', meta('archived')
local state = present(message)
if state then return { 'found', role, archived, place(), unpack(state) } end
if tonumber(message) <= tonumber(meta('trimmed')) then return { 'stored', role, archived, place() } end
return { 'absent' }
