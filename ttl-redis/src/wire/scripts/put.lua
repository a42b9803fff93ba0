-- A put for which a plain SET does not suffice.
-- ARGV: kind b|r, condition always|if_absent|if_present|if_version, its version, existing deadline
-- replace|keep|extend|reset, its ttl, expiry never|after|at, its length, cap never|after|at, its length, whether
-- the previous value is returned, ttl:version without the kind, then the blob, or the record's names and texts.
-- Answer: done, created, deadline, stored as nothing|string|hash, old kind, old value
-- | refused, deadline, token, old kind, old value | absent | corrupt | too_far
local kind, condition, expected, existing_deadline, ttl = unpack(ARGV, 1, 5)
local expiry, length, cap_expiry, cap_length, previous, mark = unpack(ARGV, 6, 11)
local FIRST = 12
local asked, cap = resolve(expiry, length), resolve(cap_expiry, cap_length)
if not asked or not cap then return { 'too_far' } end
local entry = load()
if entry and entry.kind == 'corrupt' then return { 'corrupt' } end

local deadline = asked
local old, old_kind = false, false
if entry then
  if previous ~= '' then
    -- An unreadable entry stays.
    old, old_kind = whole_value(entry), entry.kind
    if not old or not is_readable(old, true) then return { 'corrupt' } end
  end
  if condition == 'if_absent' or (condition == 'if_version' and version(entry) ~= expected) then
    return { 'refused', answer(entry.ends), entry.token or false, old_kind, old }
  end
  if entry.cap ~= NEVER then cap = entry.cap end
  if existing_deadline == 'keep' then deadline = entry.ends
  elseif existing_deadline ~= 'replace' then deadline = refreshed(entry, existing_deadline, ttl) end
elseif condition == 'if_present' or condition == 'if_version' then
  return { 'absent' }
end
deadline = math.min(deadline, cap)
local created = entry and 0 or 1

if deadline <= floor then
  redis.call('DEL', key)
  return { 'done', created, answer(deadline), 'nothing', old_kind, old }
end
if kind == 'b' and cap == NEVER then
  if deadline == NEVER then redis.call('SET', key, ARGV[FIRST])
  else redis.call('SET', key, ARGV[FIRST], 'PXAT', deadline - 1) end
  return { 'done', created, answer(deadline), 'string', old_kind, old }
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
return { 'done', created, answer(deadline), 'hash', old_kind, old }
