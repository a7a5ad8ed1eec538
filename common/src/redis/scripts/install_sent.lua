-- Installs a part of the dedup window of a room that is being rebuilt.
-- ARGV: for each message, and each file of one: day, sender or '', clientId or file, seq
enter(KEYS[1])
for index = 1, #ARGV, 4 do
  local key = sent_key(tonumber(ARGV[index]))
  redis.call('HSETNX', key, sent_field(ARGV[index + 1], ARGV[index + 2]), ARGV[index + 3])
  redis.call('EXPIRE', key, SENT_TTL_SECONDS, 'NX')
end
return 1
