-- A put for which a plain SET does not suffice.
-- ARGV: kind b|r, condition a|n|x|v, version, on live r|k|e|s, refresh ttl, expiry n|a|t, its length, max or '',
-- whether the previous value is returned, ttl:version without the kind, then the blob, or the record's names and
-- texts.
local kind, condition, expected, existing_deadline, ttl, expiry, length, max, previous, mark = unpack(ARGV, 1, 10)
local FIRST = 11
local asked = resolve(expiry, length)
if not asked then return { 'X' } end
local entry = load()
if entry and entry.kind == 'c' then return { 'C' } end

local cap = max == '' and NEVER or ceil + max
local deadline = asked
local old, old_kind = false, false
if entry then
  if previous ~= '' then
    -- An unreadable entry stays.
    old, old_kind = whole_value(entry), entry.kind
    if not old or not is_readable(old, true) then return { 'C' } end
  end
  if condition == 'n' or (condition == 'v' and version(entry) ~= expected) then
    return { 'R', answer(entry.ends), entry.token or false, old_kind, old }
  end
  if entry.cap ~= NEVER then cap = entry.cap end
  if existing_deadline == 'k' then deadline = entry.ends
  elseif existing_deadline ~= 'r' then deadline = refreshed(entry, existing_deadline, ttl) end
elseif condition == 'x' or condition == 'v' then
  return { 'A' }
end
deadline = math.min(deadline, cap)
local created = entry and 0 or 1
-- The last number of the answer: 0 if nothing is left, 1 for a string, else a hash.

if deadline <= floor then
  redis.call('DEL', key)
  return { 'O', created, answer(deadline), 0, old_kind, old }
end
if kind == 'b' and cap == NEVER then
  if deadline == NEVER then redis.call('SET', key, ARGV[FIRST])
  else redis.call('SET', key, ARGV[FIRST], 'PXAT', deadline - 1) end
  return { 'O', created, answer(deadline), 1, old_kind, old }
end
local denial = (stored and denied('HSET', 'n', 't')) or (deadline ~= NEVER and denied('PEXPIREAT', '1'))
if denial then return denial end
local flat = { 'ttl:version', kind .. mark }
if cap ~= NEVER then
  flat[3] = 'ttl:cap'
  flat[4] = string.format('%.0f', cap)
end
if kind == 'b' then flat[#flat + 1] = 'ttl:value' end
for i = FIRST, #ARGV do flat[#flat + 1] = ARGV[i] end
if stored then redis.call('DEL', key) end
write(flat)
if deadline ~= NEVER then redis.call('PEXPIREAT', key, deadline - 1) end
return { 'O', created, answer(deadline), 2, old_kind, old }
