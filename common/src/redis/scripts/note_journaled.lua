-- Notes what is known of the journaling of unstored entries; those that are stored are skipped.
-- KEYS: unstored, journaled
-- ARGV: for each: member and score
for index = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[index]) then redis.call('ZADD', KEYS[2], ARGV[index + 1], ARGV[index]) end
end
return 1
