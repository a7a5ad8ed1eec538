-- Deletes a room from Redis: whoever asks for it next rebuilds it from DynamoDB. What is not known to be stored there is
-- not deleted, unless the room is given up.
-- ARGV: 'look' | 'forget' | 'giveUp', with its entries of the unstored index; then the most entries of the partition's index
--       to look through, and users who may have mentions
-- {'unstored', entries} | {'busy'}: the index is too long | {'done', keys that there were}
local mode, most = ARGV[1], tonumber(ARGV[2])
if redis.call('ZCARD', UNSTORED) > most then return { 'busy' } end
local entries = {}
for _, entry in ipairs(redis.call('ZRANGE', UNSTORED, 0, -1)) do
  if string.sub(entry, 3, 2 + ROOM_ID_CHARS) == room then entries[#entries + 1] = entry end
end
if #entries > 0 and mode ~= 'giveUp' then return { 'unstored', text(#entries) } end
for _, entry in ipairs(entries) do
  redis.call('ZREM', UNSTORED, entry)
  redis.call('ZREM', JOURNALED, entry)
end
local keys = { META, MEMBERS, MARKS, STREAM, CHANGED, DELETED, LATE, REBUILD, READ }
for _, user in ipairs(redis.call('HKEYS', MEMBERS)) do keys[#keys + 1] = mentions_key(user) end
for index = 3, #ARGV do keys[#keys + 1] = mentions_key(ARGV[index]) end
local today = math.floor(micros() / DAY_MICROS)
for day = today - 3, today + 1 do keys[#keys + 1] = sent_key(day) end
local there = 0
for _, key in ipairs(keys) do
  there = there + redis.call(mode == 'look' and 'EXISTS' or 'UNLINK', key)
end
return { 'done', text(there) }
