-- Precedes every script of a room: its keys, and the functions shared by the scripts that create messages and the
-- others.
-- A base key is `rts:{tag}:room:<id>`; all other keys share its hash tag, so they are in the same slot. KEYS begins with
-- the `meta` of the rooms. On a cluster all keys that exist as long as the rooms do follow: while a slot moves, the server
-- refuses those of which it has only some, and so `members`, `marks`, `stream`, `changed`, `deleted` and `unstored` are
-- there whole. Any other key (`sent`, `mentions`) may be where its room is not, and may exist nowhere: before it is read
-- where it matters, or made, `is_here` tells.
local base, room, META, MEMBERS, MARKS, STREAM, UNSTORED, JOURNALED, HISTORY
local TRIM_BATCH, TRIM_KEPT, DELETED_MAX, SENT_TTL_SECONDS = 128, 32, 10000, 176400

-- From here on, everything concerns the room with this `meta`.
local function enter(key)
  base = string.sub(key, 1, -#':meta' - 1)
  room = string.sub(base, -ROOM_ID_CHARS)
  META, MEMBERS, MARKS = key, base .. ':members', base .. ':marks'
  local partition = string.match(key, '^rts:{[^}]*}')
  STREAM, UNSTORED, JOURNALED = base .. ':stream', partition .. ':unstored', partition .. ':journaled'
  HISTORY = partition .. ':history'
end

-- False for keys of which one is not here while the slot moves: a server that moves or receives a slot refuses a command
-- with several keys of which some are missing.
local function is_here(...) return type(redis.pcall('EXISTS', META, ...)) ~= 'table' end
local MOVING = { err = 'TRYAGAIN keys of the room are elsewhere' }

-- Sequences are whole numbers below 2^53; Lua would print them with an exponent.
local function text(number) return string.format('%d', number) end
local function micros()
  local now = redis.call('TIME')
  return now[1] * 1000000 + now[2]
end
-- True if a room is of this history; one that names none was made by a build that knows none.
local function is_trusted(made) return not made or made == history() end

-- Answers that a room has to be rebuilt first, and notes since when its partition is in this history.
local function cold()
  if redis.call('HGET', HISTORY, 'id') ~= history() then
    redis.call('HSET', HISTORY, 'id', history(), 'since', text(micros()))
  end
  return 'cold'
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

-- Returns the reason why the caller is refused, or nil. A user of '' is the node itself.
local function refused(org, user)
  local found = redis.call('HMGET', META, 'org', 'history')
  if not found[1] then return 'cold' end
  if not is_trusted(found[2]) then return cold() end
  if user ~= '' and (found[1] ~= org or not role_of(user)) then return 'notFound' end
  return nil
end

-- Others' undeleted messages that mention a member, by seq; read ones are dropped. After a loss they are unknown until
-- they are counted in the history: `w:` says so.
local function mentions_key(user) return base .. ':mentions:' .. user end
local function add_mention(user, sender, message)
  if user == sender or tonumber(message) <= mark('r:' .. user) then return end
  if not is_here(mentions_key(user)) then
    redis.call('HSET', MARKS, 'w:' .. user, '1')
    return
  end
  redis.call('ZADD', mentions_key(user), message, message)
  -- Twice as many as anyone counts: some may be deleted.
  redis.call('ZREMRANGEBYRANK', mentions_key(user), 0, -2 * UNREAD_CAP - 1)
end

-- The member of the partition's unstored index that stands for a message at a version.
local function unstored_member(message, version) return 'm:' .. room .. ':' .. message .. ':' .. version end
-- True if a score in the partition's journaled set says that SQS has accepted the entry.
local function is_accepted(score) return score and tonumber(score) % 2 == 1 end
-- True if an unstored entry holds up a trim. One that was set aside is in the dead-letter queue, and does so only until
-- the stream is ten times as long as it has to be: it may stay unstored for days, and Redis's memory is everybody's.
local function holds_trim(member, excess)
  if not redis.call('ZSCORE', UNSTORED, member) then return false end
  local note = excess > 9 * STREAM_EVENTS and redis.call('ZSCORE', JOURNALED, member)
  return not (note and tonumber(note) >= SET_ASIDE)
end

-- Drops the oldest entries beyond what the stream keeps, but never one that is not yet stored. Each entry names the one
-- before it, so the first one left tells which was dropped last.
local function trim()
  local entries = redis.call('XLEN', STREAM)
  local excess = entries - STREAM_EVENTS
  if excess < TRIM_BATCH / 2 then
    -- Few long ones are as much.
    if entries <= TRIM_KEPT or redis.call('MEMORY', 'USAGE', STREAM) <= STREAM_BYTES then return end
    excess = math.min(TRIM_BATCH, entries - TRIM_KEPT)
  end
  local changed, dropped = base .. ':changed', 0
  -- Its first field stands for nothing.
  if redis.call('HLEN', changed) == redis.call('HEXISTS', changed, '') then
    -- Everything older than all unstored entries of the whole partition is stored.
    local oldest = redis.call('ZRANGE', UNSTORED, 0, 0, 'WITHSCORES')[2] or UNSTORED_END
    dropped = redis.call('XTRIM', STREAM, 'MINID', '~', oldest .. '-0', 'LIMIT', excess)
  end
  if dropped == 0 then
    local before
    for _, entry in ipairs(redis.call('XRANGE', STREAM, '-', '+', 'COUNT', math.min(excess, TRIM_BATCH))) do
      local seq, message = string.match(entry[1], '^%d+'), entry[2][6]
      if holds_trim(unstored_member(message, seq), excess) then break end
      before = text(tonumber(seq) + 1) .. '-0'
      if redis.call('HGET', changed, message) == seq then redis.call('HDEL', changed, message) end
    end
    if before then dropped = redis.call('XTRIM', STREAM, 'MINID', before) end
  end
  if dropped > 0 then
    redis.call('HSET', META, 'trimmed', redis.call('XRANGE', STREAM, '-', '+', 'COUNT', 1)[1][2][4])
  end
end

local function sent_field(sender, client) return sender .. '\n' .. client end
local function sent_key(day) return base .. ':sent:' .. text(day) end
