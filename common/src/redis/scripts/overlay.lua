-- Returns, for messages read from DynamoDB, the present states of those that have changed since, if the stream holds
-- them.
-- ARGV: message seqs
local states = {}
for _, message in ipairs(ARGV) do
  if redis.call('HGET', CHANGED, message) then states[#states + 1] = present(message) end
end
return states
