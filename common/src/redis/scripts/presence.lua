-- Precedes every script of presence. KEYS[1] is a partition's `presence:nodes`; all other keys share its hash tag, so
-- that one script sees users, their connections and the leases of the nodes that hold them.
--
-- `<user>:connections` is a hash of connection → `node status`, with status `o` (online) or `a` (away), followed by the
-- time (ms) since when the connection is gone, if it is still shown for a while. `<user>:status` is the last published
-- presence.
local prefix = string.match(KEYS[1], '^rts:{[^}]*}')
local NODES = prefix .. ':presence:nodes'
local SEEN_TTL_SECONDS = 7776000
local moment = redis.call('TIME')
local micros = moment[1] * 1000000 + moment[2]
local millis = math.floor(micros / 1000)

local function text(number) return string.format('%.0f', number) end
local function people_of(node) return prefix .. ':presence:people:' .. node end
local function parse(value) return string.match(value, '^(%S+) (%a) ?(%d*)$') end

-- True if a node's lease, which is counted from its last renewal, has not expired.
local function is_alive(node, lease_ms)
  local renewed = redis.call('ZSCORE', NODES, node)
  return renewed and millis - tonumber(renewed) < lease_ms
end

-- Compares a user's connections with the last published presence of the user, and publishes a change: status, version,
-- last seen (ms). `left` is the time when the last connection went, if that is known better than by the clock.
local function tell(base, left)
  local status, is_there = 'f', false
  for _, value in ipairs(redis.call('HVALS', base .. ':connections')) do
    local _, one, gone = parse(value)
    if one == 'o' or status == 'f' then status = one end
    if gone == '' then is_there = true end
  end
  local known = redis.call('HMGET', base .. ':status', 's', 'v', 'at')
  local before = known[1] or 'f'
  -- Connections that are gone but still shown end one after the other, and nothing changes before the last.
  if status ~= 'f' and not is_there and before ~= 'f' then status = before end
  if before == status then return end
  local version = text(math.max(tonumber(known[2] or '0') + 1, micros))
  local at = status == 'f' and text(left or millis) or known[3] or '0'
  redis.call('HSET', base .. ':status', 's', status, 'v', version, 'at', at)
  if status == 'f' then
    redis.call('EXPIRE', base .. ':status', SEEN_TTL_SECONDS)
  else
    redis.call('PERSIST', base .. ':status')
  end
  redis.call('SPUBLISH', base .. ':presence', status .. ' ' .. version .. ' ' .. at)
end
