-- Reads some of a partition's unstored entries, oldest first.
-- KEYS: unstored, journaled
-- ARGV: rank of the first, how many, and the seq at which to stop
-- member and its score in journaled ('' if none), of each
local page = {}
local entries = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
for index = 1, #entries, 2 do
  if tonumber(entries[index + 1]) > tonumber(ARGV[3]) then break end
  page[#page + 1] = entries[index]
  page[#page + 1] = redis.call('ZSCORE', KEYS[2], entries[index]) or ''
end
return page
