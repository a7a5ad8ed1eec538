-- Counts a partition's unstored entries. Those that were set aside wait for a person, and not for the queue.
-- KEYS: unstored, journaled
-- Returns: the number of the others, the number of those set aside, the oldest of the others ('' if none)
local WALK_MAX = 1000
local aside = redis.call('ZCOUNT', KEYS[2], SET_ASIDE, '+inf')
local others = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. UNSTORED_END) - aside
local oldest = ''
if others > 0 then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, math.min(aside, WALK_MAX))) do
    if tonumber(redis.call('ZSCORE', KEYS[2], member) or '0') < SET_ASIDE then
      oldest = member
      break
    end
  end
end
return { others, aside, oldest }
