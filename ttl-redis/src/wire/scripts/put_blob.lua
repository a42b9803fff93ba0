-- A put of a blob whose deadline depends on the old entry: the beginning of a script that continues with put.lua if that
-- is a hash, which may have a cap. Measured on the server: 2.7 us, and 6.5 us for put.lua alone.
-- ARGV: value, token, ttl of a new entry, refresh mode extend|reset, its ttl, always|if_present
-- Answer: whether the entry is new | the answer of put.lua
-- STRLEN shows whether the entry is a string, without its value. PTTL shows whether it is there, empty or not.
if type(redis.pcall('STRLEN', KEYS[1])) == 'number' then
  local left = redis.pcall('PTTL', KEYS[1])
  if left == -2 then
    if ARGV[6] == 'if_present' then return { 'absent' } end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
    return 1
  elseif type(left) == 'number' then
    if ARGV[4] == 'extend' and (left == -1 or left >= tonumber(ARGV[5])) then
      redis.call('SET', KEYS[1], ARGV[1], 'KEEPTTL')
    else
      redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[5])
    end
    return 0
  end
end
local ARGV = { 'b', ARGV[6], '', ARGV[4], ARGV[5], 'after', ARGV[3], 'never', '0', '', ARGV[2], ARGV[1] }
