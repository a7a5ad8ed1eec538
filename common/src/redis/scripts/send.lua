-- Creates a message, or finds the one that its sender made with this clientId.
-- ARGV: org, user, clientId, body, hint, 'accept' or 'refuse' (then only a duplicate is answered), then whom it mentions
-- {'sent', seq, prev, epoch, ordinal} | {'duplicate', seq, '1' while not stored} | {'refused'}
-- | {'archived'} | {'notFound'} | {'cold'}
local org, user, client, body, hint, mode = unpack(ARGV, 1, 6)
local why = refused(org, user)
if why then return { why } end

local day = today()
local field = sent_field(user, client)
for number = day, day - 1, -1 do
  local seq = redis.call('HGET', sent_key(number), field)
  if seq then return { 'duplicate', seq, redis.call('ZSCORE', PENDING, seq) and '1' or '0' } end
end
if meta('archived') ~= '0' then return { 'archived' } end
if mode == 'refuse' then return { 'refused' } end

local ordinal = text(redis.call('HINCRBY', META, 'count', 1))
local seq, prev, epoch = append('c', nil, ordinal, user, body, hint)
redis.call('HSET', META, 'last', seq)
redis.call('HSET', sent_key(day), field, seq)
redis.call('EXPIRE', sent_key(day), SENT_TTL_SECONDS, 'NX')
await_storage(seq, seq)
add_own(user, 1)
for index = 7, #ARGV do add_mention(ARGV[index], user, seq) end
if tonumber(ordinal) % 64 == 0 then trim() end
return { 'sent', seq, prev, epoch, ordinal }
