-- Moves a deadline, or deletes an entry and returns it.
-- ARGV: 'e', version or '', change n|a|t|+, its length, guard a|l|s|e|p
-- ARGV: 'd', version or '', expected kind, select a|f|n, fields...

local what, expected = ARGV[1], ARGV[2]
local moves = what == 'e'
local asked
if moves and ARGV[3] ~= '+' then
  asked = resolve(ARGV[3], ARGV[4])
  if not asked then return { 'X' } end
end
local entry = load()
if not entry then return { 'A' } end
if entry.kind == 'c' then return { 'C' } end
if expected ~= '' and version(entry) ~= expected then return { 'R' } end

if moves then
  local from, guard = entry.ends, ARGV[5]
  local to = math.min(asked or (from + ARGV[4]), entry.cap)
  local holds = guard == 'a' or (guard == 'l' and to > from) or (guard == 's' and to < from)
    or (guard == 'e' and from ~= NEVER) or (guard == 'p' and from == NEVER)
  if not holds or to == from then return { 'O', answer(from), 0 } end
  if not asked and to > ceil + MAX_TTL and to ~= entry.cap then return { 'X' } end
  if to <= floor then redis.call('DEL', key)
  elseif to == NEVER then redis.call('PERSIST', key)
  else redis.call('PEXPIREAT', key, to - 1) end
  return { 'O', answer(to), 1 }
end

if ARGV[3] ~= '' and ARGV[3] ~= entry.kind then return { 'W' } end
local value
if ARGV[4] == 'a' then
  value = whole_value(entry)
elseif ARGV[4] == 'f' then
  value = #ARGV > 4 and redis.call('HMGET', key, unpack(ARGV, 5)) or {}
end
if ARGV[4] ~= 'n' and not value then return { 'C' } end
-- An unreadable entry stays.
if value and not is_readable(value, ARGV[4] == 'a') then return { 'C' } end
redis.call('DEL', key)
return { 'O', entry.kind, value }
