-- Notes what a user's calls on one node have cost, beside what they cost on others.
-- KEYS: the user's budgets, connections
-- ARGV: budget, µs of its rate; as often as there are budgets
-- The number of nodes on which the user is connected, then for each budget, how long until it would be whole again (µs)
local key, longest = KEYS[1], 0
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local nodes, known = 0, {}
for _, value in ipairs(redis.call('HVALS', KEYS[2])) do
  local node = string.match(value, '^%S+')
  if not known[node] then nodes, known[node] = nodes + 1, true end
end
local answer = { nodes }
for i = 1, #ARGV, 2 do
  local cost = tonumber(ARGV[i + 1])
  local due = math.max(tonumber(redis.call('HGET', key, ARGV[i]) or '0'), now) + cost
  -- Whatever a node says, nobody is in debt for longer than an hour.
  due = math.min(due, now + 3600000000)
  if cost > 0 then
    redis.call('HSET', key, ARGV[i], string.format('%.0f', due))
    longest = math.max(longest, due - now)
  end
  answer[#answer + 1] = due - now
end
local ms = math.ceil(longest / 1000) + 1000
if longest > 0 and redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
return answer
