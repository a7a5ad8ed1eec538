-- Changes a room's facts or members.
-- ARGV: org, caller, operation, hint, then its own:
--   rename name | add limit user name … | remove user | leave | archive | unarchive | promote user
-- {'changed', seq, prev, epoch, body} | {'unchanged'} | {'forbidden'} | {'archived'} | {'tooMany'} | {'noMember'}
-- | {'notFound'} | {'cold'}
-- The body is JSON: {change, users, meta, members, marks}, hashes as flat lists of texts.
local org, caller, operation, hint = unpack(ARGV)
local why = refused(org, caller)
if why then return { why } end
local owner = caller == '' or role_of(caller) == 'o'
local archived = meta('archived') ~= '0'
local direct = meta('kind') == 'direct'
local OWNERS_ONLY = { remove = true, archive = true, unarchive = true }
local NOT_IN_DIRECT = { remove = true, leave = true, rename = true, add = true }
if direct and NOT_IN_DIRECT[operation] then return { 'forbidden' } end
if OWNERS_ONLY[operation] and not owner then return { 'forbidden' } end
if archived and operation ~= 'unarchive' and operation ~= 'archive' and operation ~= 'leave' then return { 'archived' } end

local now = math.max(tonumber(meta('seq')) + 1, tonumber(hint) + 1, tonumber(meta('v')) + 1, micros())
local version = text(now)
local users, change = {}, nil

local function member(user, role, joined, name)
  redis.call('HSET', MEMBERS, user, role .. ' ' .. version .. ' ' .. joined .. ' ' .. name)
  users[#users + 1] = user
end
local function parts(user)
  local value = redis.call('HGET', MEMBERS, user)
  if not value then return nil end
  return string.match(value, '^(%a) (%d+) (%d+) (.*)$')
end

if operation == 'rename' then
  if meta('name') == ARGV[5] then return { 'unchanged' } end
  change = 'renamed'
  redis.call('HSET', META, 'name', ARGV[5], 'v', version)
elseif operation == 'archive' or operation == 'unarchive' then
  if archived == (operation == 'archive') then return { 'unchanged' } end
  change = operation .. 'd'
  redis.call('HSET', META, 'archived', archived and '0' or text(math.floor(now / 1000)), 'v', version)
elseif operation == 'add' then
  change = 'membersAdded'
  local fresh, seen = {}, {}
  for index = 6, #ARGV, 2 do
    if not role_of(ARGV[index]) and not seen[ARGV[index]] then
      seen[ARGV[index]] = true
      fresh[#fresh + 1] = index
    end
  end
  if #fresh == 0 then return { 'unchanged' } end
  if tonumber(meta('members')) + #fresh > tonumber(ARGV[5]) then return { 'tooMany' } end
  for _, index in ipairs(fresh) do
    local user = ARGV[index]
    member(user, 'm', version, ARGV[index + 1])
    redis.call('HDEL', MARKS, 'q:' .. user)
    redis.call('HSET', MARKS, 'r:' .. user, version, 'd:' .. user, version, 'n:' .. user, meta('count'), 'o:' .. user, '0')
  end
  redis.call('HINCRBY', META, 'members', #fresh)
elseif operation == 'remove' or operation == 'leave' then
  change = 'memberRemoved'
  local user = operation == 'leave' and caller or ARGV[5]
  local role, _, joined, name = parts(user)
  if role ~= 'o' and role ~= 'm' then return { 'noMember' } end
  member(user, 'x', joined, name)
  redis.call('HINCRBY', META, 'members', -1)
elseif operation == 'promote' then
  change = 'roleChanged'
  local role, _, joined, name = parts(ARGV[5])
  if role ~= 'm' then return { 'unchanged' } end
  member(ARGV[5], 'o', joined, name)
end

-- The seq is the version: `now` already is at least what append would choose, and time only grows.
redis.call('ZADD', UNSTORED, version, 'r:' .. room .. ':' .. version)
local prev = meta('seq')
redis.call('HSET', META, 'seq', version)
local shown, shown_marks = {}, {}
if tonumber(meta('members')) <= 50 then
  shown, shown_marks = redis.call('HGETALL', MEMBERS), redis.call('HGETALL', MARKS)
else
  for _, user in ipairs(users) do
    shown[#shown + 1] = user
    shown[#shown + 1] = redis.call('HGET', MEMBERS, user)
  end
end
local body = cjson.encode({
  change = change, users = users, meta = redis.call('HGETALL', META), members = shown, marks = shown_marks,
})
local epoch = meta('epoch')
redis.call('XADD', STREAM, version .. '-0', 'k', 'u', 'p', prev, 'm', '0', 'n', '0', 'u', caller, 's', body)
redis.call('SPUBLISH', base .. ':events',
  table.concat({ 'u', epoch, version, prev, '0', '0', caller, body }, '\n'))
return { 'changed', version, prev, epoch, body }
