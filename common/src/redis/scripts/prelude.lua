-- Stands before every script of a room. KEYS[1] is the room's base key, `rts:{tag}:room:<id>`; all
-- other keys share its hash tag, so they live in the same slot.
local base = KEYS[1]
local META, MEMBERS, MARKS = base .. ':meta', base .. ':members', base .. ':marks'
local STREAM, PENDING = base .. ':stream', base .. ':pending'
local CHANGED, DELETED, LATE = base .. ':changed', base .. ':deleted', base .. ':late'
local UNSTORED = string.match(base, '^rts:{[^}]*}') .. ':unstored'
local room = string.sub(base, -24)
local STREAM_EVENTS, TRIM_BATCH, SCAN_MAX, DELETED_MAX, UNREAD_CAP = 1000, 128, 2000, 10000, 1000
local SENT_TTL_SECONDS, LATE_TTL_SECONDS = 176400, 3600
local SETTLING_MICROS = 300000000

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

-- Gives the next seq, records the event and publishes it, in one step: order on the channel is
-- order of seq. `hint` is the highest seq the calling node has seen of this room, so that none is
-- given twice after a failover that lost the newest entries. Returns seq, prev and epoch as text.
local function append(kind, message, ordinal, sender, body, hint)
  local found = redis.call('HMGET', META, 'seq', 'epoch')
  local prev = found[1]
  local seq = text(math.max(tonumber(prev) + 1, tonumber(hint) + 1, micros()))
  message = message or seq
  redis.call('XADD', STREAM, seq .. '-0', 'k', kind, 'p', prev, 'm', message, 'n', ordinal, 'u', sender, 's', body)
  redis.call('HSET', META, 'seq', seq)
  redis.call('SPUBLISH', base .. ':events',
    table.concat({ kind, found[2], seq, prev, message, ordinal, sender, body }, '\n'))
  return seq, prev, found[2]
end

-- The highest of these versions of the room itself that is not known to be stored, or ''.
local function highest_unstored(versions)
  local highest = ''
  for _, version in ipairs(versions) do
    if (highest == '' or tonumber(version) > tonumber(highest))
        and redis.call('ZSCORE', UNSTORED, 'r:' .. room .. ':' .. version) then
      highest = version
    end
  end
  return highest
end

local function await_storage(message, version)
  redis.call('ZADD', PENDING, version, version)
  redis.call('ZADD', UNSTORED, version, 'm:' .. room .. ':' .. message .. ':' .. version)
end

local function stream_entry(id)
  return redis.call('XRANGE', STREAM, id .. '-0', id .. '-0')[1]
end

-- The version a message is at, as far as Redis knows: nil means only DynamoDB knows.
local function version_of(message)
  local changed = redis.call('HGET', CHANGED, message)
  if changed then return changed end
  -- The seq of any other event is no message.
  local entry = stream_entry(message)
  if entry and entry[2][2] == 'c' then return message end
  return nil
end

-- A message's present state: seq, version, kind, ordinal, sender, body.
local function present(message)
  local version = version_of(message)
  local entry = version and stream_entry(version)
  if not entry then return nil end
  local fields = entry[2]
  return { message, version, fields[2], fields[8], fields[10], fields[12] }
end

-- Whether the room was rebuilt from DynamoDB so lately that messages of before may still be on their way
-- there, and nobody may tell: then nothing but the history counts right.
local function is_settling()
  local rebuilt = meta('rebuilt')
  return rebuilt and micros() - tonumber(rebuilt) < SETTLING_MICROS
end

-- Recounts what `user` has unread after `read`. `n:` is how many messages of the room lie at or
-- before the mark, `o:` how many of the user's own, not deleted, lie after it; `q:` says that they
-- are not known here and have to be counted in the history.
local function recount(user, read)
  if is_settling() then
    redis.call('HSET', MARKS, 'q:' .. user, '1')
    return
  end
  local found = redis.call('HMGET', META, 'last', 'count', 'trimmed')
  local own, after = 0, 0
  if read < tonumber(found[1]) then
    local entries = {}
    if read >= tonumber(found[3]) then
      entries = redis.call('XRANGE', STREAM, '(' .. text(read) .. '-0', '+', 'COUNT', SCAN_MAX + 1)
    end
    if #entries == 0 or #entries > SCAN_MAX then
      redis.call('HSET', MARKS, 'q:' .. user, '1')
      return
    end
    for _, entry in ipairs(entries) do
      local fields = entry[2]
      if fields[2] == 'c' then
        after = after + 1
        if fields[10] == user and not redis.call('ZSCORE', DELETED, fields[6]) then own = own + 1 end
      end
    end
  end
  redis.call('HDEL', MARKS, 'q:' .. user)
  redis.call('HSET', MARKS, 'n:' .. user, text(tonumber(found[2]) - after), 'o:' .. user, own)
end

local function add_own(user, number)
  if redis.call('HEXISTS', MARKS, 'q:' .. user) == 0 then
    redis.call('HINCRBY', MARKS, 'o:' .. user, number)
  end
end

-- Others' messages, not deleted, that mention a member, by seq. What is read is dropped. After a loss nobody knows
-- them until they are counted in the history: `w:` says so.
local function mentions_key(user) return base .. ':mentions:' .. user end
local function add_mention(user, sender, message)
  if user == sender or tonumber(message) <= mark('r:' .. user) then return end
  redis.call('ZADD', mentions_key(user), message, message)
  redis.call('ZREMRANGEBYRANK', mentions_key(user), 0, -DELETED_MAX - 1)
end
local function forget_mentions(user)
  redis.call('DEL', mentions_key(user))
  redis.call('HDEL', MARKS, 'w:' .. user)
end

-- Drops the oldest entries beyond what the stream keeps, but never one that is not yet stored.
local function trim()
  local excess = redis.call('XLEN', STREAM) - STREAM_EVENTS
  if excess < TRIM_BATCH / 2 then return end
  local oldest = redis.call('ZRANGE', PENDING, 0, 0, 'WITHSCORES')[2]
  local barrier = oldest and tonumber(oldest) or math.huge
  local last
  for _, entry in ipairs(redis.call('XRANGE', STREAM, '-', '+', 'COUNT', math.min(excess, TRIM_BATCH))) do
    local seq, fields = string.match(entry[1], '^%d+'), entry[2]
    if tonumber(seq) >= barrier then break end
    last = seq
    if redis.call('HGET', CHANGED, fields[6]) == seq then redis.call('HDEL', CHANGED, fields[6]) end
  end
  if not last then return end
  redis.call('XTRIM', STREAM, 'MINID', text(tonumber(last) + 1) .. '-0')
  redis.call('HSET', META, 'trimmed', last)
end

local function sent_field(sender, client) return sender .. '\n' .. client end
local function sent_key(day) return base .. ':sent:' .. text(day) end
local function today() return math.floor(micros() / 86400000000) end
