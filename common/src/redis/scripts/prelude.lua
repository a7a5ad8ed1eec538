-- Precedes every script of one room: KEYS[1] is its `meta`.
is_cluster = #KEYS > 1
enter(KEYS[1])
local CHANGED, DELETED, LATE = base .. ':changed', base .. ':deleted', base .. ':late'
-- The lease of the node that rebuilds the room; the token of the rebuild that has begun to read DynamoDB last, as long as
-- nothing was stored since.
local REBUILD, READ = base .. ':rebuild', base .. ':read'
local SCAN_MAX, WALK_MAX = 2000, 128
local LATE_TTL_SECONDS = 3600
local SETTLING_MICROS = 300000000

-- Assigns the next seq, records the event and publishes it, in one step: order on the channel is order of seq. `hint`
-- is the highest seq the calling node has seen of this room, so that none is given twice after a failover that lost the
-- newest entries. Returns seq, prev and epoch as text.
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

-- Returns the highest of these versions of the room itself that is not known to be stored, or ''.
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

-- Returns the highest version of any part of the room itself that is not known to be stored, or ''.
local function highest_unstored_part()
  local versions, seen = { meta('v') }, {}
  for _, value in ipairs(redis.call('HVALS', MEMBERS)) do
    local version = string.match(value, '^%a (%d+)')
    if not seen[version] then
      seen[version] = true
      versions[#versions + 1] = version
    end
  end
  return highest_unstored(versions)
end

local function await_storage(message, version)
  redis.call('ZADD', UNSTORED, version, unstored_member(message, version))
end

local function stream_entry(id)
  return redis.call('XRANGE', STREAM, id .. '-0', id .. '-0')[1]
end

-- Returns the version of a message, as far as Redis knows: nil means that only DynamoDB knows.
local function version_of(message)
  local changed = redis.call('HGET', CHANGED, message)
  if changed then return changed end
  -- Any other event's seq is not a message.
  local entry = stream_entry(message)
  if entry and entry[2][2] == 'c' then return message end
  return nil
end

-- Returns the room's installation and the end of its stream. A state that was read in DynamoDB is the present one as long as
-- neither changes: what was stored meanwhile may have been newer.
local function place()
  local found = redis.call('HMGET', META, 'epoch', 'trimmed')
  return found[1] .. ' ' .. found[2]
end

-- Returns a message's present state: seq, version, kind, ordinal, sender, body.
local function present(message)
  local version = version_of(message)
  local entry = version and stream_entry(version)
  if not entry then return nil end
  local fields = entry[2]
  return { message, version, fields[2], fields[8], fields[10], fields[12] }
end

-- True if the room was rebuilt from DynamoDB so recently that earlier messages may still be on their way there, unknown
-- to anyone: then only a count in the history is right.
local function is_settling()
  local rebuilt = meta('rebuilt')
  return rebuilt and micros() - tonumber(rebuilt) < SETTLING_MICROS
end

-- Returns the number of messages among some entries, and that of the undeleted ones of `user`.
local function tally(entries, user)
  local messages, own = 0, 0
  for _, entry in ipairs(entries) do
    local fields = entry[2]
    if fields[2] == 'c' then
      messages = messages + 1
      if fields[10] == user and not redis.call('ZSCORE', DELETED, fields[6]) then own = own + 1 end
    end
  end
  return messages, own
end

-- Recounts the unread messages of `user` after `read`. `n:` is the number of the room's messages at or before the mark,
-- `o:` that of the user's own undeleted ones after it; `q:` says that the numbers are not known here and must be
-- counted in the history.
local function recount(user, read, scan_max)
  if is_settling() then
    redis.call('HSET', MARKS, 'q:' .. user, '1')
    return
  end
  local found = redis.call('HMGET', META, 'last', 'count', 'trimmed')
  local after, own = 0, 0
  if read < tonumber(found[1]) then
    local entries = {}
    if read >= tonumber(found[3]) then
      entries = redis.call('XRANGE', STREAM, '(' .. text(read) .. '-0', '+', 'COUNT', scan_max + 1)
    end
    if #entries == 0 or #entries > scan_max then
      redis.call('HSET', MARKS, 'q:' .. user, '1')
      return
    end
    after, own = tally(entries, user)
  end
  redis.call('HDEL', MARKS, 'q:' .. user)
  redis.call('HSET', MARKS, 'n:' .. user, text(tonumber(found[2]) - after), 'o:' .. user, own)
end

-- Moves the counts of unread messages of `user` from one read mark to a later one: an entry is walked once in the life of
-- a mark. Where both ways are long, to the next mark and from there to the end, they are left to a count in the history.
local function advance(user, from, to)
  local found = redis.call('HMGET', META, 'last', 'trimmed')
  -- At the end nothing is left to count; before what the stream keeps, nothing can be walked.
  if to >= tonumber(found[1]) or from < tonumber(found[2]) then return recount(user, to, WALK_MAX) end
  local entries = redis.call('XRANGE', STREAM, '(' .. text(from) .. '-0', text(to) .. '-0', 'COUNT', WALK_MAX + 1)
  if #entries > WALK_MAX then return recount(user, to, WALK_MAX) end
  local passed, own = tally(entries, user)
  if passed > 0 and redis.call('HEXISTS', MARKS, 'q:' .. user) == 0 then
    redis.call('HINCRBY', MARKS, 'n:' .. user, text(passed))
    if own > 0 then redis.call('HINCRBY', MARKS, 'o:' .. user, text(-own)) end
  end
end

local function add_own(user, number)
  if redis.call('HEXISTS', MARKS, 'q:' .. user) == 0 then
    redis.call('HINCRBY', MARKS, 'o:' .. user, number)
  end
end

-- Makes the keys that exist as long as the room does, so that a room of which some are missing is one of which some are
-- elsewhere. Their contents stand for nothing.
local function lay_foundations()
  redis.call('XADD', STREAM, 'MAXLEN', '0', '0-1', '', '')
  redis.call('HSET', MARKS, '', '')
  redis.call('HSET', CHANGED, '', '')
  redis.call('ZADD', DELETED, '0', '-')
  redis.call('ZADD', UNSTORED, UNSTORED_END, '-')
end

local function forget_mentions(user)
  -- One that is elsewhere is not missed: it holds only older ones.
  redis.pcall('DEL', mentions_key(user))
  redis.call('HDEL', MARKS, 'w:' .. user)
end

-- Returns the present members and `users`, with their values, and the marks of reading and delivery of these.
local function shown_members(users)
  local members, fields, is_meant = {}, {}, {}
  for _, user in ipairs(users) do is_meant[user] = true end
  local all = redis.call('HGETALL', MEMBERS)
  for index = 1, #all, 2 do
    local user, value = all[index], all[index + 1]
    if is_meant[user] or string.sub(value, 1, 1) ~= 'x' then
      members[#members + 1], members[#members + 2] = user, value
      fields[#fields + 1], fields[#fields + 2] = 'r:' .. user, 'd:' .. user
    end
  end
  local marks = {}
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    for index, value in ipairs(redis.call('HMGET', MARKS, unpack(fields, first, last))) do
      marks[#marks + 1], marks[#marks + 2] = fields[first + index - 1], value or '0'
    end
  end
  return members, marks
end
