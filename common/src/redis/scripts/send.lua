-- Creates messages, or finds those that their senders made with the same clientId before. The messages that a node has
-- in flight at once share a call: a room's facts are read once and written once, and it publishes once.
-- KEYS: as in room.lua
-- ARGV: number of rooms, then for each: hint, number of messages; for each of these: org, user, clientId, body, the ids of its files with
--       spaces in between, 'accept' or 'refuse' (then only a duplicate is answered), number of mentions, then the
--       mentioned users
-- For each: 'sent seq ordinal' | 'duplicate seq' and '1' while it is not known to be durable, else '0' | 'refused'
-- | 'fileTaken' | 'archived' | 'notFound' | 'cold' | 'fault': the room's data is broken, and the other rooms are served
-- A file belongs to the first message that has it. A day after its upload no message may have it any more, so the
-- clientIds' table, which keeps a day at least, holds the files too, each under no sender.
-- Messages of one room and one call have consecutive seqs, those of different calls never do: the journal sends those
-- of a call as one entry, and a node that journals them again can tell which they were.
-- Redis hashes each byte of each string that a script makes: bodies are concatenated only once.
local now = micros()
local day = math.floor(now / DAY_MICROS)
local answers = {}

local function open(hint)
  local found = redis.call('HMGET', META, 'org', 'archived', 'seq', 'epoch', 'count', 'last', 'history')
  if found[1] and not is_trusted(found[7]) then
    cold()
    found[1] = false
  end
  return {
    org = found[1], archived = found[2], prev = found[3], epoch = found[4], count = found[5], last = found[6],
    least = math.max(tonumber(found[3] or 0) + 2, tonumber(hint) + 2, now),
    today = sent_key(day), before = sent_key(day - 1),
    -- The number of them that each user sent, false if not a member; the seq of each by sender and clientId, or file.
    users = {}, sent = {},
    -- The arguments of the commands that write all of them, and the publication.
    fields = {}, index = {}, places = {}, bodies = { '' },
  }
end

local function find(opened, field)
  return opened.sent[field] or redis.call('HGET', opened.today, field) or redis.call('HGET', opened.before, field)
end

local function create(opened, org, user, client, body, files, mode)
  if not opened.org then return 'cold' end
  if opened.org ~= org then return 'notFound' end
  local users = opened.users
  if users[user] == nil then users[user] = role_of(user) and 0 or false end
  if not users[user] then return 'notFound' end
  local field = sent_field(user, client)
  local known = opened.sent[field]
  if known then return 'duplicate ' .. known .. ' 1' end
  known = redis.call('HGET', opened.today, field) or redis.call('HGET', opened.before, field)
  if known then
    local member = unstored_member(known, known)
    local is_durable = not redis.call('ZSCORE', UNSTORED, member) or is_accepted(redis.call('ZSCORE', JOURNALED, member))
    return 'duplicate ' .. known .. (is_durable and ' 0' or ' 1')
  end
  if opened.archived ~= '0' then return 'archived' end
  for file in string.gmatch(files, '%S+') do
    if find(opened, sent_field('', file)) then return 'fileTaken' end
  end
  if mode == 'refuse' then return 'refused' end

  local places, fields, index = opened.places, opened.fields, opened.index
  local made = #places
  local seq, ordinal = text(opened.least + made), text(opened.count + made + 1)
  redis.call('XADD', STREAM, seq .. '-0', 'k', 'c', 'p', opened.seq or opened.prev, 'm', seq, 'n', ordinal, 'u', user, 's', body)
  opened.seq, opened.sent[field], users[user] = seq, seq, users[user] + 1
  places[made + 1], opened.bodies[made + 2] = seq .. ' ' .. #body, body
  fields[#fields + 1], fields[#fields + 2] = field, seq
  for file in string.gmatch(files, '%S+') do
    local owned = sent_field('', file)
    opened.sent[owned], fields[#fields + 1], fields[#fields + 2] = seq, owned, seq
  end
  index[2 * made + 1], index[2 * made + 2] = seq, unstored_member(seq, seq)
  return 'sent ' .. seq .. ' ' .. ordinal, seq
end

local function close(opened)
  local made, count = #opened.places, tonumber(opened.count)
  -- Comes first: whatever else may fail, a message that was seen or is found as a duplicate is in the unstored index.
  redis.call('ZADD', UNSTORED, unpack(opened.index))
  redis.call('HSET', META, 'seq', opened.seq, 'last', opened.seq, 'count', text(count + made), 'history', history())
  redis.call('HSET', opened.today, unpack(opened.fields))
  -- The day's first messages; a seq may run ahead of the clock, but not by a minute. Repeated below, for those this
  -- misses.
  if math.floor((opened.last - 60000000) / DAY_MICROS) ~= day then
    redis.call('EXPIRE', opened.today, SENT_TTL_SECONDS, 'NX')
  end
  for user, messages in pairs(opened.users) do
    if messages and messages > 0 then redis.call('HINCRBY', MARKS, 'o:' .. user, text(messages)) end
  end
  -- `b`; epoch, prev and ordinal of the first; seq and size of each; the bodies, without anything in between.
  opened.bodies[1] = 'b\n' .. opened.epoch .. ' ' .. opened.prev .. ' ' .. text(count + 1) .. '\n'
    .. table.concat(opened.places, ' ') .. '\n'
  redis.call('SPUBLISH', base .. ':events', table.concat(opened.bodies))
  if math.floor((count + made) / 64) ~= math.floor(count / 64) then
    -- A field this long makes Redis stop keeping the hash as a list, which each lookup walks.
    redis.call('HSETNX', opened.today, string.rep('-', 65), '')
    redis.call('EXPIRE', opened.today, SENT_TTL_SECONDS, 'NX')
    trim()
  end
end

local rooms = tonumber(ARGV[1])
is_cluster = #KEYS > rooms
if is_cluster then
  -- Nothing is written before it is known that what must be read of all rooms is here.
  for number = 1, rooms do
    enter(KEYS[number])
    if not is_here(sent_key(day), sent_key(day - 1)) then return MOVING end
  end
end
-- Serves a room's messages, whose arguments begin at `at`.
local function serve(opened, messages, at)
  for _ = 1, messages do
    local org, user, client, body, files, mode, mentions = unpack(ARGV, at, at + 6)
    local answer, seq = create(opened, org, user, client, body, files, mode)
    answers[#answers + 1] = answer
    local first = at + 7
    at = first + tonumber(mentions)
    if seq then
      for index = first, at - 1 do add_mention(ARGV[index], user, seq) end
    end
  end
  if opened.seq then close(opened) end
end

-- True if an error comes from a room's data: a field that is missing, a key of another type. One with a code of its own, such
-- as that of a full memory or of a slot that moves, is every room's.
local function is_of_room(said)
  local code = string.match(said, '^%u+')
  return (not code or code == 'ERR' or code == 'WRONGTYPE') and not string.find(said, 'non local key', 1, true)
end

local at = 2
for number = 1, rooms do
  enter(KEYS[number])
  local hint, messages, answered = ARGV[at], tonumber(ARGV[at + 1]), #answers
  local first = at + 2
  at = first
  for _ = 1, messages do at = at + 7 + tonumber(ARGV[at + 6]) end
  local is_served, failure = pcall(function() serve(open(hint), messages, first) end)
  if not is_served then
    local said = type(failure) == 'table' and failure.err or tostring(failure)
    if not is_of_room(said) then return { err = said } end
    for index = answered + 1, answered + messages do answers[index] = 'fault' end
  end
end
return answers
