-- For messages read from DynamoDB: the present states of those that were changed since, as far as
-- the stream holds them.
-- ARGV: message seqs
local states = {}
for _, message in ipairs(ARGV) do
  if redis.call('HGET', CHANGED, message) then states[#states + 1] = present(message) end
end
return states
