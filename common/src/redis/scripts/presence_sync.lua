-- Sets a node's connections of a user to those that the node reports: states, not differences, so that the next call
-- corrects one that came twice or never.
-- KEYS: the partition's `presence:nodes`; the user's connections, status; the node's people. All are declared: while
-- their slot moves, none may be made anew. ARGV: node, user, lease (ms), most connections of a user, then for each connection:
--       id, 'o' or 'a', 'n' (new), 'l' (live) or the time since when it is gone (ms)
-- {'synced', ids that are rejected because the user has the most connections allowed, …} | {'lost'}: the node's lease
-- has expired
local CONNECTIONS = KEYS[2]
local base = string.sub(CONNECTIONS, 1, -#':connections' - 1)
local node, person, lease_ms, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not is_alive(node, lease_ms) then return { 'lost' } end
local listed, is_arriving, count, left = {}, false, 0, nil
for index = 5, #ARGV, 3 do
  listed[ARGV[index]] = true
  if ARGV[index + 2] == 'n' then is_arriving = true end
  if ARGV[index + 2] == 'l' then count = count + 1 end
end
local held = redis.call('HGETALL', CONNECTIONS)
for index = 1, #held, 2 do
  local id, holder, _, gone = held[index], parse(held[index + 1])
  if holder == node then
    if not listed[id] then
      redis.call('HDEL', CONNECTIONS, id)
      left = math.max(left or 0, tonumber(gone) or millis)
    end
  elseif gone == '' then
    if is_alive(holder, lease_ms) then count = count + 1 end
  elseif is_arriving then
    -- It was shown until the user came back.
    redis.call('HDEL', CONNECTIONS, id)
  end
end
local surplus, is_here = {}, false
for index = 5, #ARGV, 3 do
  local id, status, phase = ARGV[index], ARGV[index + 1], ARGV[index + 2]
  if phase == 'n' and count >= most then
    surplus[#surplus + 1] = id
    redis.call('HDEL', CONNECTIONS, id)
  else
    if phase == 'n' then count = count + 1 end
    local value = node .. ' ' .. status
    if phase ~= 'n' and phase ~= 'l' then value = value .. ' ' .. phase end
    redis.call('HSET', CONNECTIONS, id, value)
    is_here = true
  end
end
redis.call(is_here and 'SADD' or 'SREM', people_of(node), person)
tell(base, left)
return { 'synced', unpack(surplus) }
