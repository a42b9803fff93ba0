-- A read of a blob with its deadline: the beginning of a script that continues with get.lua for everything else.
-- ARGV, without the empty ones at the end: expected kind, version wanted
-- Answer: expiry, value | nil for no entry | the answer of get.lua
local value = redis.pcall('GET', KEYS[1])
if not value then return false end
if type(value) == 'string' then return { redis.call('PEXPIRETIME', KEYS[1]), value } end
local ARGV = { 'all', ARGV[1] or '', ARGV[2] or '', '', '0', '0' }
