-- Precedes every script of rooms and of lists of rooms, which set `is_cluster`.
local is_cluster, known_history

-- Returns the history of this server's data. Redis draws a new one at every start, whatever it loads, and at every promotion
-- to master: what was made under another may lack the newest that was acknowledged. On a cluster there is none yet: a room
-- whose slot moves changes its server without any loss.
local function history()
  if is_cluster then return 'cluster' end
  if not known_history then
    local info = redis.pcall('INFO', 'replication')
    local id = type(info) == 'string' and string.match(info, 'master_replid:(%x+)')
    known_history = id and string.sub(id, 1, 16) or 'unknown'
  end
  return known_history
end
