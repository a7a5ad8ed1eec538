-- Creates messages, in their order, or finds those that their senders made with the same clientId before. What a node
-- has under way at once shares a call: a room's facts are read once and written once, and it publishes once.
-- KEYS: the base keys of the rooms
-- ARGV: of each message: which of the rooms, org, user, clientId, body, hint, 'accept' or 'refuse' (then only a
--       duplicate is answered), how many it mentions, then whom
-- Of each: {'sent', seq, prev, epoch, ordinal} | {'duplicate', seq, '1' while not stored} | {'refused'}
-- | {'archived'} | {'notFound'} | {'cold'}
local now = micros()
local day = math.floor(now / DAY_MICROS)
local rooms, indexes = {}, {}

local function open(number)
  enter(KEYS[number])
  local opened = rooms[number]
  if not opened then
    local found = redis.call('HMGET', META, 'org', 'archived', 'seq', 'epoch', 'count', 'last')
    opened = { org = found[1], archived = found[2], seq = found[3], epoch = found[4], last = found[6] }
    opened.count, opened.count_before = tonumber(found[5]), tonumber(found[5])
    opened.roles, opened.sent, opened.own, opened.events = {}, {}, {}, {}
    opened.fields, opened.pending = {}, {}
    rooms[number] = opened
  end
  return opened
end

local function create(opened, org, user, client, body, hint, mode)
  if not opened.org then return { 'cold' } end
  if opened.org ~= org then return { 'notFound' } end
  local role = opened.roles[user]
  if role == nil then
    role = role_of(user) or false
    opened.roles[user] = role
  end
  if not role then return { 'notFound' } end
  local field = sent_field(user, client)
  if opened.sent[field] then return { 'duplicate', opened.sent[field], '1' } end
  local known = redis.call('HGET', sent_key(day), field) or redis.call('HGET', sent_key(day - 1), field)
  if known then return { 'duplicate', known, redis.call('ZSCORE', PENDING, known) and '1' or '0' } end
  if opened.archived ~= '0' then return { 'archived' } end
  if mode == 'refuse' then return { 'refused' } end

  local prev, epoch = opened.seq, opened.epoch
  local seq = text(math.max(tonumber(prev) + 1, tonumber(hint) + 1, now))
  opened.seq, opened.count = seq, opened.count + 1
  local ordinal = text(opened.count)
  redis.call('XADD', STREAM, seq .. '-0', 'k', 'c', 'p', prev, 'm', seq, 'n', ordinal, 'u', user, 's', body)
  opened.sent[field] = seq
  local fields, pending, events = opened.fields, opened.pending, opened.events
  fields[#fields + 1], fields[#fields + 2] = field, seq
  pending[#pending + 1], pending[#pending + 2] = seq, seq
  opened.own[user] = (opened.own[user] or 0) + 1
  events[#events + 1] = table.concat({ 'c', epoch, seq, prev, seq, ordinal, user, body }, '\n')
  local index = indexes[UNSTORED] or {}
  indexes[UNSTORED] = index
  index[#index + 1], index[#index + 2] = seq, 'm:' .. room .. ':' .. seq .. ':' .. seq
  return { 'sent', seq, prev, epoch, ordinal }
end

-- Several events are told as one: `b`, how many bytes each has, and they, without anything in between.
local function publish(events)
  local told = events[1]
  if #events > 1 then
    local sizes = {}
    for number, event in ipairs(events) do sizes[number] = #event end
    told = 'b\n' .. table.concat(sizes, ' ') .. '\n' .. table.concat(events)
  end
  redis.call('SPUBLISH', base .. ':events', told)
end

local answers, at = {}, 1
while at <= #ARGV do
  local number, org, user, client, body, hint, mode, mentions = unpack(ARGV, at, at + 7)
  local answer = create(open(tonumber(number)), org, user, client, body, hint, mode)
  answers[#answers + 1] = answer
  at = at + 8 + tonumber(mentions)
  if answer[1] == 'sent' then
    for index = at - tonumber(mentions), at - 1 do add_mention(ARGV[index], user, answer[2]) end
  end
end
for number, opened in pairs(rooms) do
  if #opened.events > 0 then
    enter(KEYS[number])
    redis.call('HSET', META, 'seq', opened.seq, 'last', opened.seq, 'count', text(opened.count))
    redis.call('HSET', sent_key(day), unpack(opened.fields))
    if math.floor(tonumber(opened.last) / DAY_MICROS) ~= day then
      redis.call('EXPIRE', sent_key(day), SENT_TTL_SECONDS, 'NX')
    end
    redis.call('ZADD', PENDING, unpack(opened.pending))
    for user, messages in pairs(opened.own) do redis.call('HINCRBY', MARKS, 'o:' .. user, messages) end
    publish(opened.events)
    if math.floor(opened.count / 64) ~= math.floor(opened.count_before / 64) then trim() end
  end
end
for key, index in pairs(indexes) do redis.call('ZADD', key, unpack(index)) end
return answers
