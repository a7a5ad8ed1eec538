-- Stands before every script of presence. KEYS[1] is a person's base key, or a partition's `presence:nodes`;
-- all other keys share its hash tag, so that one script sees people, their connections and the leases of
-- the nodes that hold them.
--
-- `<person>:connections` is a hash of connection → `node status`, with status `o` (online) or `a` (away), and behind
-- it since when (ms) a connection is gone that is shown for a while longer. `<person>:status` is what was told last.
local prefix = string.match(KEYS[1], '^rts:{[^}]*}')
local NODES = prefix .. ':presence:nodes'
local SEEN_TTL_SECONDS = 7776000
local moment = redis.call('TIME')
local micros = moment[1] * 1000000 + moment[2]
local millis = math.floor(micros / 1000)

local function text(number) return string.format('%.0f', number) end
local function people_of(node) return prefix .. ':presence:people:' .. node end
local function parse(value) return string.match(value, '^(%S+) (%a) ?(%d*)$') end

-- Whether a node's lease runs, which is counted from its last renewal.
local function is_alive(node, lease_ms)
  local renewed = redis.call('ZSCORE', NODES, node)
  return renewed and millis - tonumber(renewed) < lease_ms
end

-- Compares a person's connections with what was told of the person last, and tells what is new: status, version,
-- last seen (ms). `left` is when the last connection went, if that is known better than by the clock.
local function tell(base, left)
  local status, is_there = 'f', false
  for _, value in ipairs(redis.call('HVALS', base .. ':connections')) do
    local _, one, gone = parse(value)
    if one == 'o' or status == 'f' then status = one end
    if gone == '' then is_there = true end
  end
  local known = redis.call('HMGET', base .. ':status', 's', 'v', 'at')
  local before = known[1] or 'f'
  -- Those that are only shown for a while longer end one after the other, and nothing changes before the last.
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
