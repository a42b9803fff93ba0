-- A read of a blob with a refresh that never shortens: the beginning of a script that continues with get.lua for
-- everything else, such as a record, or a refresh that the server refuses. Nothing is built in Lua here, not even an
-- answer of several items. Measured on the server: 1.75 us, and 5.6 us for get.lua alone.
-- ARGV: ttl, then, without the empty ones at the end: expected kind, version wanted, slack
-- Answer: the value | nil for no entry | the answer of get.lua
local value = redis.pcall('GET', KEYS[1])
if not value then return false end
if type(value) == 'string' then
  local left = ARGV[4] and redis.pcall('PTTL', KEYS[1])
  if type(left) == 'number' and (left == -1 or ARGV[1] - left < tonumber(ARGV[4])) then return value end
  -- PEXPIRE counts from the present millisecond rounded down, and an entry ends a millisecond after the key's expiry:
  -- together that is the deadline counted from now rounded up. GT leaves a later deadline, and a persistent entry.
  -- Without PTTL, the whole script has to tell whether the refresh is due.
  if type(left) ~= 'table' and type(redis.pcall('PEXPIRE', KEYS[1], ARGV[1], 'GT')) == 'number' then return value end
end
local ARGV = { 'all', ARGV[2] or '', ARGV[3] or '', 'extend', ARGV[1], ARGV[4] or '0' }
