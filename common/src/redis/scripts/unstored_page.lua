-- Reads a page of a partition's unstored entries, oldest first.
-- KEYS: unstored, journaled
-- ARGV: rank of the first, number of entries, the seq at which to stop
-- For each: member, and its score in journaled ('' if none)
local page = {}
local entries = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
for index = 1, #entries, 2 do
  if tonumber(entries[index + 1]) > tonumber(ARGV[3]) then break end
  page[#page + 1] = entries[index]
  page[#page + 1] = redis.call('ZSCORE', KEYS[2], entries[index]) or ''
end
return page
