-- Moves a deadline, or deletes an entry and returns it.
-- ARGV: expire, version or '', change never|after|at|extend, its length, guard
-- always|if_later|if_sooner|if_expiring|if_persistent
-- Answer: done, deadline, changed | absent | refused | corrupt | too_far
-- ARGV: delete, version or '', expected kind, projection all|fields|nothing, fields...
-- Answer: done, kind, value | absent | refused | wrong_kind | corrupt

local what, expected = ARGV[1], ARGV[2]
local moves = what == 'expire'
local asked
if moves and ARGV[3] ~= 'extend' then
  asked = resolve(ARGV[3], ARGV[4])
  if not asked then return { 'too_far' } end
end
local entry = load()
if not entry then return { 'absent' } end
if entry.kind == 'corrupt' then return { 'corrupt' } end
if expected ~= '' and version(entry) ~= expected then return { 'refused' } end

if moves then
  local from, guard = entry.ends, ARGV[5]
  local to = math.min(asked or (from + ARGV[4]), entry.cap)
  local holds = guard == 'always' or (guard == 'if_later' and to > from) or (guard == 'if_sooner' and to < from)
    or (guard == 'if_expiring' and from ~= NEVER) or (guard == 'if_persistent' and from == NEVER)
  if not holds or to == from then return { 'done', answer(from), 0 } end
  if not asked and to > ceil + MAX_TTL and to ~= entry.cap then return { 'too_far' } end
  if to <= floor then redis.call('DEL', key)
  elseif to == NEVER then redis.call('PERSIST', key)
  else redis.call('PEXPIREAT', key, to - 1) end
  return { 'done', answer(to), 1 }
end

if ARGV[3] ~= '' and ARGV[3] ~= entry.kind then return { 'wrong_kind' } end
local value
if ARGV[4] == 'all' then
  value = whole_value(entry)
elseif ARGV[4] == 'fields' then
  value = #ARGV > 4 and redis.call('HMGET', key, unpack(ARGV, 5)) or {}
end
if ARGV[4] ~= 'nothing' and not value then return { 'corrupt' } end
-- An unreadable entry stays.
if value and not is_readable(value, ARGV[4] == 'all') then return { 'corrupt' } end
redis.call('DEL', key)
return { 'done', entry.kind, value }
