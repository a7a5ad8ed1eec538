-- Stands before every script of a room: its keys, and what the scripts share that make messages and those that do not.
-- A base key is `rts:{tag}:room:<id>`; all other keys share its hash tag, so they live in the same slot.
local base, room, META, MEMBERS, MARKS, STREAM, PENDING, UNSTORED
local STREAM_EVENTS, TRIM_BATCH, DELETED_MAX = 1000, 128, 10000
local SENT_TTL_SECONDS, DAY_MICROS = 176400, 86400000000

-- From here on, everything is about the room with this base key.
local function enter(key)
  base, room = key, string.sub(key, -24)
  META, MEMBERS, MARKS = key .. ':meta', key .. ':members', key .. ':marks'
  STREAM, PENDING = key .. ':stream', key .. ':pending'
  UNSTORED = string.match(key, '^rts:{[^}]*}') .. ':unstored'
end

-- Sequences are whole numbers below 2^53; Lua would print them with an exponent.
local function text(number) return string.format('%.0f', number) end
local function micros()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end
local function meta(field) return redis.call('HGET', META, field) end
local function mark(field) return tonumber(redis.call('HGET', MARKS, field) or '0') end

-- 'o' owner, 'm' member, nil for anyone else. A member's value is `role version joinedSeq name`.
local function role_of(user)
  local value = redis.call('HGET', MEMBERS, user)
  local role = value and string.sub(value, 1, 1)
  if role == 'o' or role == 'm' then return role end
  return nil
end

-- Why the caller cannot come in, or nil. A user of '' is the node itself.
local function refused(org, user)
  local found = meta('org')
  if not found then return 'cold' end
  if user ~= '' and (found ~= org or not role_of(user)) then return 'notFound' end
  return nil
end

-- Others' messages, not deleted, that mention a member, by seq. What is read is dropped. After a loss nobody knows
-- them until they are counted in the history: `w:` says so.
local function mentions_key(user) return base .. ':mentions:' .. user end
local function add_mention(user, sender, message)
  if user == sender or tonumber(message) <= mark('r:' .. user) then return end
  redis.call('ZADD', mentions_key(user), message, message)
  redis.call('ZREMRANGEBYRANK', mentions_key(user), 0, -DELETED_MAX - 1)
end

-- Drops the oldest entries beyond what the stream keeps, but never one that is not yet stored.
local function trim()
  local excess = redis.call('XLEN', STREAM) - STREAM_EVENTS
  if excess < TRIM_BATCH / 2 then return end
  local oldest = redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')[2]
  local barrier = oldest and tonumber(oldest) or math.huge
  local last, changed = nil, base .. ':changed'
  for _, entry in ipairs(redis.call('XRANGE', STREAM, '-', '+', 'COUNT', math.min(excess, TRIM_BATCH))) do
    local seq, fields = string.match(entry[1], '^%d+'), entry[2]
    if tonumber(seq) >= barrier then break end
    last = seq
    if redis.call('HGET', changed, fields[6]) == seq then redis.call('HDEL', changed, fields[6]) end
  end
  if not last then return end
  redis.call('XTRIM', STREAM, 'MINID', text(tonumber(last) + 1) .. '-0')
  redis.call('HSET', META, 'trimmed', last)
end

local function sent_field(sender, client) return sender .. '\n' .. client end
local function sent_key(day) return base .. ':sent:' .. text(day) end
