-- Renews a node's lease in a partition, and ends the presence of users whose node has lost its lease.
-- KEYS: the partition's `presence:nodes`. ARGV: node, lease (ms), the last renewal that the node knows of (ms, or 0),
--       '1' if it may judge others, the most users to process
-- {'kept' or 'lost', this renewal (ms), number of users processed}. Lost: the lease had expired, or Redis no longer has
-- it, or has an older one; what Redis knows of the node's users may be as old.
local node, lease_ms, last, may_judge, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local renewed = tonumber(redis.call('ZSCORE', NODES, node) or '0')
local is_kept = renewed > 0 and renewed >= last and millis - renewed < lease_ms
redis.call('ZADD', NODES, text(millis), node)

local function bury(base, dead, since)
  local left
  local held = redis.call('HGETALL', base .. ':connections')
  for index = 1, #held, 2 do
    local holder, _, gone = parse(held[index + 1])
    if holder == dead then
      redis.call('HDEL', base .. ':connections', held[index])
      left = math.max(left or 0, tonumber(gone) or since)
    end
  end
  tell(base, left)
end

-- While the slot moves, what is not here may be elsewhere, and nobody is judged: a server that moves or receives a slot
-- refuses a command with several keys of which one is missing, as the second of these always is.
local is_moving = type(redis.pcall('EXISTS', NODES, NODES .. ':none')) == 'table'
local done = 0
if is_kept and may_judge == '1' and not is_moving then
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', NODES, '-inf', text(millis - lease_ms), 'LIMIT', 0, 16)) do
    local since = tonumber(redis.call('ZSCORE', NODES, dead))
    for _, person in ipairs(redis.call('SPOP', people_of(dead), most - done)) do
      bury(prefix .. ':user:' .. person, dead, since)
      done = done + 1
    end
    if redis.call('EXISTS', people_of(dead)) == 0 then redis.call('ZREM', NODES, dead) end
    if done >= most then break end
  end
end
return { is_kept and 'kept' or 'lost', text(millis), text(done) }
