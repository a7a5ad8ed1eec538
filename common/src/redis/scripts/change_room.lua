-- Changes a room's facts or members. If a group would be left without an owner, the longest-standing member becomes
-- owner in the same step: then there are two events.
-- ARGV: org, caller, operation, hint, then the operation's own:
--   rename name | add limit user name … | remove user | leave | archive | unarchive
--   | takeOver name: the caller, in the room or not, becomes its only owner, archived or not
-- {'changed', version, unstored, body of each event …} | {'unchanged', unstored} | {'forbidden'} | {'archived'}
-- | {'tooMany'} | {'noMember'} | {'notFound'} | {'cold'}
-- `unstored` is the highest version of the parts that already were as requested and are not known to be stored, or ''.
-- A body is JSON: {change, users, meta, members, marks}, hashes as flat lists of texts.
local org, caller, operation, hint = unpack(ARGV)
local takes_over = operation == 'takeOver'
local why = refused(org, takes_over and '' or caller)
if why then return { why } end
if takes_over and meta('org') ~= org then return { 'notFound' } end
local owner = caller == '' or role_of(caller) == 'o'
local archived = meta('archived') ~= '0'
local direct = meta('kind') == 'direct'
local OWNERS_ONLY = { remove = true, archive = true, unarchive = true }
local NOT_IN_DIRECT = { remove = true, leave = true, rename = true, add = true }
if direct and NOT_IN_DIRECT[operation] then return { 'forbidden' } end
if OWNERS_ONLY[operation] and not owner then return { 'forbidden' } end
local IN_ARCHIVED = { unarchive = true, archive = true, leave = true, takeOver = true }
if archived and not IN_ARCHIVED[operation] then return { 'archived' } end

-- Longer than SQS keeps a record, in the dead-letter queue and, sent again from there, in its own: 14 days each.
local FORMER_MICROS = 30 * 86400000000
local now = math.max(tonumber(meta('seq')) + 1, tonumber(hint) + 1, tonumber(meta('v')) + 1, micros())
local version = text(now)
local bodies, unstored = {}, ''

local function member(user, role, joined, name)
  redis.call('HSET', MEMBERS, user, role .. ' ' .. version .. ' ' .. joined .. ' ' .. name)
end
local function parts(user)
  local value = redis.call('HGET', MEMBERS, user)
  if not value then return nil end
  return string.match(value, '^(%a) (%d+) (%d+) (.*)$')
end

-- Records and publishes an event at its seq. All seqs here are at least those that append would choose, and time only
-- grows.
local function record(change, users, seq)
  local prev = meta('seq')
  redis.call('HSET', META, 'seq', seq)
  local shown, shown_marks = {}, {}
  if tonumber(meta('members')) <= ROOM_MEMBERS_INLINE then
    shown, shown_marks = shown_members(users)
  else
    for _, user in ipairs(users) do
      shown[#shown + 1] = user
      shown[#shown + 1] = redis.call('HGET', MEMBERS, user)
    end
  end
  local body = cjson.encode({
    change = change, users = users, meta = redis.call('HGETALL', META), members = shown, marks = shown_marks,
  })
  redis.call('XADD', STREAM, seq .. '-0', 'k', 'u', 'p', prev, 'm', '0', 'n', '0', 'u', caller, 's', body)
  redis.call('SPUBLISH', base .. ':events',
    table.concat({ 'u', meta('epoch'), seq, prev, '0', '0', caller, body }, '\n'))
  bodies[#bodies + 1] = body
end

local function forget_marks(user)
  local fields = {}
  for index, kind in ipairs({ 'r:', 'd:', 'n:', 'o:', 'q:', 'w:', 'e:', 'u:' }) do fields[index] = kind .. user end
  redis.call('HDEL', MARKS, unpack(fields))
  forget_mentions(user)
end

-- Forgets those who left so long ago that no queue has a record of the time before: it would bring them back. Returns their
-- number.
local function forget_former()
  local former, oldest = 0, now - FORMER_MICROS
  local all = redis.call('HGETALL', MEMBERS)
  for index = 1, #all, 2 do
    local left_at = string.match(all[index + 1], '^x (%d+)')
    if left_at and tonumber(left_at) < oldest and not redis.call('ZSCORE', UNSTORED, 'r:' .. room .. ':' .. left_at) then
      redis.call('HDEL', MEMBERS, all[index])
      former = former + 1
    end
  end
  return former
end

-- Returns the user who becomes owner once `gone` has left, the longest-standing member, or nil if there still is an
-- owner.
local function heir_of(gone)
  local heir, since
  local all = redis.call('HGETALL', MEMBERS)
  for index = 1, #all, 2 do
    local user, role, joined = all[index], string.match(all[index + 1], '^(%a) %d+ (%d+)')
    if user ~= gone then
      if role == 'o' then return nil end
      joined = tonumber(joined)
      if role == 'm' and (not heir or joined < since or (joined == since and user < heir)) then
        heir, since = user, joined
      end
    end
  end
  return heir
end

if operation == 'rename' then
  if meta('name') == ARGV[5] then return { 'unchanged', highest_unstored({ meta('v') }) } end
  redis.call('HSET', META, 'name', ARGV[5], 'v', version)
  record('renamed', {}, version)
elseif operation == 'archive' or operation == 'unarchive' then
  if archived == (operation == 'archive') then return { 'unchanged', highest_unstored({ meta('v') }) } end
  redis.call('HSET', META, 'archived', archived and '0' or text(math.floor(now / 1000)), 'v', version)
  record(operation .. 'd', {}, version)
elseif operation == 'add' then
  local fresh, names, known, was, newcomers = {}, {}, {}, {}, 0
  for index = 6, #ARGV, 2 do
    local user = ARGV[index]
    local role, joined_at = parts(user)
    if role == 'o' or role == 'm' then
      known[#known + 1] = joined_at
    elseif not names[user] then
      was[user] = role ~= nil
      if not role then newcomers = newcomers + 1 end
      fresh[#fresh + 1], names[user] = user, ARGV[index + 1]
    end
  end
  unstored = highest_unstored(known)
  if #fresh == 0 then return { 'unchanged', unstored } end
  local most = tonumber(ARGV[5])
  if tonumber(meta('members')) + #fresh > most then return { 'tooMany' } end
  -- Those who left are read with the others: they are forgotten in their time, and there are not too many of them until then.
  local entries = redis.call('HLEN', MEMBERS)
  if entries + newcomers > most then entries = entries - forget_former() end
  if entries + newcomers > 2 * most then return { 'tooMany' } end
  local count = meta('count')
  for _, user in ipairs(fresh) do
    -- Only who was a member before has anything there.
    if was[user] then
      forget_marks(user)
    end
    member(user, 'm', version, names[user])
    redis.call('HSET', MARKS, 'r:' .. user, version, 'd:' .. user, version, 'n:' .. user, count, 'o:' .. user, '0')
  end
  redis.call('HINCRBY', META, 'members', #fresh)
  record('membersAdded', fresh, version)
elseif takes_over then
  local role, known, joined = parts(caller)
  local changed = {}
  local all = redis.call('HGETALL', MEMBERS)
  for index = 1, #all, 2 do
    if all[index] ~= caller and string.sub(all[index + 1], 1, 1) == 'o' then changed[#changed + 1] = all[index] end
  end
  if role == 'o' and #changed == 0 then return { 'unchanged', highest_unstored({ known }) } end
  local is_new = role ~= 'o' and role ~= 'm'
  local began = version
  if is_new then version = text(now + 1) end
  for _, user in ipairs(changed) do
    local _, _, since, name = parts(user)
    member(user, 'm', since, name)
  end
  member(caller, 'o', is_new and began or joined, ARGV[5])
  changed[#changed + 1] = caller
  if is_new then
    forget_marks(caller)
    redis.call('HSET', MARKS, 'r:' .. caller, began, 'd:' .. caller, began, 'n:' .. caller, meta('count'), 'o:' .. caller, '0')
    redis.call('HINCRBY', META, 'members', 1)
    record('membersAdded', { caller }, began)
  end
  record('roleChanged', changed, version)
elseif operation == 'remove' or operation == 'leave' then
  local user = operation == 'leave' and caller or ARGV[5]
  local role, _, joined, name = parts(user)
  if role ~= 'o' and role ~= 'm' then return { 'noMember' } end
  local heir = heir_of(user)
  local left_at = version
  if heir then version = text(now + 1) end
  member(user, 'x', joined, name)
  forget_marks(user)
  redis.call('HINCRBY', META, 'members', -1)
  record('memberRemoved', { user }, left_at)
  if heir then
    -- Both memberships have one version: one record of the journal carries them, and one entry of the index stands for
    -- it.
    local _, _, heir_joined, heir_name = parts(heir)
    member(heir, 'o', heir_joined, heir_name)
    record('roleChanged', { heir }, version)
  end
end
redis.call('ZADD', UNSTORED, version, 'r:' .. room .. ':' .. version)
return { 'changed', version, unstored, unpack(bodies) }
