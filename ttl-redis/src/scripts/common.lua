-- What every script begins with: the time, read once, and the entry that it meets.
local key = KEYS[1]
local NEVER, MAX_TTL = math.huge, 630720000000
local time = redis.call('TIME')
-- An entry is visible while floor < its deadline; new deadlines count from ceil, so that none comes early.
local floor = time[1] * 1000 + math.floor(time[2] / 1000)
local ceil = floor + (time[2] % 1000 == 0 and 0 or 1)
-- Whether anything is stored under the key, ghosts included.
local stored = false

-- What a caller asked for as a deadline: never, after so many milliseconds, or at an instant in microseconds. Nil if
-- it is too far away.
local function resolve(kind, length)
  if kind == 'n' then return NEVER end
  if kind == 'a' then return ceil + length end
  local at = math.ceil(length / 1000)
  -- Rounded up, an instant of the present millisecond that has passed would lie ahead.
  if tonumber(length) <= time[1] * 1000000 + time[2] then return math.min(at, floor) end
  if at > ceil + MAX_TTL then return nil end
  return at
end

local function answer(deadline)
  if deadline == NEVER then return -1 end
  return deadline
end

-- The live entry; its kind is 'c' if it is none that this driver wrote.
local function load()
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  stored = true
  local when = redis.call('PEXPIRETIME', key)
  -- Redis still shows an entry at the millisecond of its expiry, so that is one before the deadline.
  local ends = when < 0 and NEVER or when + 1
  if ends <= floor then return nil end
  if kind == 'string' then return { kind = 'b', plain = true, ends = ends, cap = NEVER } end
  if kind ~= 'hash' then return { kind = 'c' } end
  local mark = redis.call('HMGET', key, 'ttl:version', 'ttl:cap')
  local kind, token, size = string.match(mark[1] or '', '^([br])([%w_-]+)%.?(%d*)$')
  local cap = NEVER
  if mark[2] then cap = #mark[2] <= 15 and string.match(mark[2], '^%d+$') and tonumber(mark[2]) end
  if not kind or #token ~= 22 or not cap then return { kind = 'c' } end
  ends = math.min(ends, cap)
  -- Another program's doing: the driver gives a key no expiry after its cap.
  if ends <= floor then return nil end
  return { kind = kind, token = token, size = tonumber(size), ends = ends, cap = cap }
end

-- A blob's bytes, false if a damaged hash has none; or all that a record's hash holds.
local function whole_value(entry)
  if entry.plain then return redis.call('GET', key) end
  if entry.kind == 'b' then return redis.call('HGET', key, 'ttl:value') end
  return redis.call('HGETALL', key)
end

local function version(entry)
  if entry.plain then return redis.sha1hex(redis.call('GET', key)) end
  return entry.token
end

local function refreshed(entry, mode, ttl)
  local to = math.min(ceil + ttl, entry.cap)
  if mode == 'e' then return math.max(entry.ends, to) end
  return to
end

-- What takes several commands is refused as a whole, before the first one writes, if a later one would be.
local function denied(command, ...)
  if redis.acl_check_cmd(command, key, ...) then return nil end
  return redis.error_reply('NOPERM this user may not run ' .. command .. ' on the key')
end

-- HSET in pieces that Lua's stack can hold.
local function write(flat)
  for i = 1, #flat, 4000 do
    redis.call('HSET', key, unpack(flat, i, math.min(i + 3999, #flat)))
  end
end

-- Only whether a text can be read is looked at, never what cjson makes of it.
local function is_json(text)
  local read, items = pcall(cjson.decode, '[' .. text .. ']')
  if not read or #items ~= 1 then return false end
  -- cjson reads more numbers than JSON has.
  if type(items[1]) ~= 'number' then return true end
  return string.find(text, '^%s*%-?%d[%d%.eE+-]*%s*$') and not string.find(text, '^%s*%-?0%d')
end

-- Whether all texts of a record's fields can be read; each follows its name where the hash is whole.
local function is_readable(value, whole)
  if type(value) ~= 'table' then return true end
  local step = whole and 2 or 1
  for i = step, #value, step do
    local ours = whole and string.sub(value[i - 1], 1, 4) == 'ttl:'
    if value[i] and not ours and not is_json(value[i]) then return false end
  end
  return true
end
