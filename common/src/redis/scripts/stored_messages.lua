-- Records that messages have been written to DynamoDB.
-- ARGV: for each: seq, version, ordinal, sender, clientId
local epoch, late = tonumber(meta('epoch') or '0'), false
local members = {}
for index = 1, #ARGV, 5 do members[#members + 1] = unstored_member(ARGV[index], ARGV[index + 1]) end
redis.call('ZREM', UNSTORED, unpack(members))
redis.call('ZREM', JOURNALED, unpack(members))
-- Whoever has read DynamoDB for a rebuild may not have seen these.
redis.call('DEL', READ)
for index = 1, #ARGV, 5 do
  local seq, version, ordinal, sender, client = unpack(ARGV, index, index + 4)
  local field = sent_field(sender, client)
  if epoch == 0 then
    -- The room is not in Redis: the node that rebuilds it may have read DynamoDB before this write.
    redis.call('HSET', LATE, seq, ordinal .. '\n' .. field)
    redis.call('EXPIRE', LATE, LATE_TTL_SECONDS)
  elseif tonumber(version) < epoch and tonumber(version) > epoch - DEDUP_MICROS then
    -- Older than this rebuild, and within the dedup window that it read. Unless the rebuild knew it, the counts and the
    -- dedup index include it from now on.
    local key = sent_key(math.floor(tonumber(seq) / DAY_MICROS))
    if seq == version and redis.call('HSETNX', key, field, seq) == 1 then
      redis.call('EXPIRE', key, SENT_TTL_SECONDS, 'NX')
      redis.call('HINCRBY', META, 'count', 1)
      if tonumber(seq) > tonumber(meta('last')) then redis.call('HSET', META, 'last', seq) end
    end
    -- A room that was made while nothing of it was stored is a room of before all the same.
    if tonumber(meta('trimmed')) < epoch then redis.call('HSET', META, 'trimmed', text(epoch)) end
    -- Nothing has happened since: a reader that saw less of the room than this must find that out.
    if tonumber(meta('seq')) < math.min(epoch, tonumber(version)) then redis.call('HSET', META, 'seq', version) end
    redis.call('HINCRBY', META, 'late', 1)
    late = true
  end
end
if late then
  -- A count made in the history, or being made, may include them or not.
  local unknown = {}
  for _, user in ipairs(redis.call('HKEYS', MEMBERS)) do
    local at = #unknown
    unknown[at + 1], unknown[at + 2], unknown[at + 3], unknown[at + 4] = 'q:' .. user, '1', 'w:' .. user, '1'
    if at >= 1000 then
      redis.call('HSET', MARKS, unpack(unknown))
      unknown = {}
    end
  end
  if #unknown > 0 then redis.call('HSET', MARKS, unpack(unknown)) end
end
trim()
return 1
