-- The beginning of every script: the time, read once, and the stored entry.
local key = KEYS[1]
local NEVER, MAX_TTL = math.huge, 630720000000
local time = redis.call('TIME')
-- An entry is visible while floor < its deadline. New deadlines count from ceil, so that none is early.
local floor = time[1] * 1000 + math.floor(time[2] / 1000)
local ceil = floor + (time[2] % 1000 == 0 and 0 or 1)
-- Whether anything is stored under the key, including ghosts.
local stored = false

-- Returns the deadline of an expiry: never, after so many milliseconds, or at an instant in microseconds. Nil if it is
-- too far away.
local function resolve(kind, length)
  if kind == 'never' then return NEVER end
  if kind == 'after' then return ceil + length end
  local at = math.ceil(length / 1000)
  -- If rounded up, a past instant within the present millisecond would be in the future.
  if tonumber(length) <= time[1] * 1000000 + time[2] then return math.min(at, floor) end
  if at > ceil + MAX_TTL then return nil end
  return at
end

local function answer(deadline)
  if deadline == NEVER then return -1 end
  return deadline
end

-- Returns the live entry; its kind is 'corrupt' if this driver did not write it.
local function load()
  local kind = redis.call('TYPE', key).ok
  if kind == 'none' then return nil end
  stored = true
  local when = redis.call('PEXPIRETIME', key)
  -- Redis still shows an entry at the millisecond of its expiry, so the deadline is one millisecond later.
  local ends = when < 0 and NEVER or when + 1
  if ends <= floor then return nil end
  if kind == 'string' then return { kind = 'b', plain = true, ends = ends, cap = NEVER } end
  if kind ~= 'hash' then return { kind = 'corrupt' } end
  local mark = redis.call('HMGET', key, 'ttl:version', 'ttl:cap')
  local kind, token, size = string.match(mark[1] or '', '^([br])([%w_-]+)%.?(%d*)$')
  local cap = NEVER
  if mark[2] then cap = #mark[2] <= 15 and string.match(mark[2], '^%d+$') and tonumber(mark[2]) end
  if not kind or #token ~= 22 or not cap then return { kind = 'corrupt' } end
  ends = math.min(ends, cap)
  -- Written by another client: the driver never sets an expiry after the cap.
  if ends <= floor then return nil end
  return { kind = kind, token = token, size = tonumber(size), ends = ends, cap = cap }
end

-- Returns a blob's bytes, or false if a damaged hash has none; for a record, the whole hash.
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
  if mode == 'extend' then return math.max(entry.ends, to) end
  return to
end

-- Returns an error if the user may not run a command. Checked before the first write, so that an operation of several
-- commands is refused as a whole.
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

-- Returns whether a text is JSON. The value that cjson decodes is not used.
local function is_json(text)
  local read, items = pcall(cjson.decode, '[' .. text .. ']')
  if not read or #items ~= 1 then return false end
  -- cjson accepts more numbers than JSON does.
  if type(items[1]) ~= 'number' then return true end
  return string.find(text, '^%s*%-?%d[%d%.eE+-]*%s*$') and not string.find(text, '^%s*%-?0%d')
end

-- Returns whether all texts of a record's fields are JSON. In a whole hash, each text follows its name.
local function is_readable(value, whole)
  if type(value) ~= 'table' then return true end
  local step = whole and 2 or 1
  for i = step, #value, step do
    local ours = whole and string.sub(value[i - 1], 1, 4) == 'ttl:'
    if value[i] and not ours and not is_json(value[i]) then return false end
  end
  return true
end
