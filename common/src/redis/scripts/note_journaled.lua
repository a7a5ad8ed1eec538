-- Notes what is known of the journaling of unstored entries; those that are stored are skipped. What was set aside stays
-- so for its time: a note of how it came into the queue may arrive after that.
-- KEYS: unstored, journaled
-- ARGV: for each: member and score
for index = 1, #ARGV, 2 do
  local member, score = ARGV[index], tonumber(ARGV[index + 1])
  local known = tonumber(redis.call('ZSCORE', KEYS[2], member) or '0')
  local stays = known >= SET_ASIDE and score < known - SET_ASIDE + SET_ASIDE_STEPS
  if not stays and redis.call('ZSCORE', KEYS[1], member) then redis.call('ZADD', KEYS[2], ARGV[index + 1], member) end
end
return 1
