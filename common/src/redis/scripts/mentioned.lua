-- Returns those of some texts that are the ids of members.
-- ARGV: org, user, then the texts
-- {'found', {user, …}} | {'notFound'} | {'cold'}
local org, user = unpack(ARGV, 1, 2)
local why = refused(org, user)
if why then return { why } end
local found = {}
for index = 3, #ARGV do
  if role_of(ARGV[index]) then found[#found + 1] = ARGV[index] end
end
return { 'found', found }
