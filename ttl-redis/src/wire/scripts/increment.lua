-- An increment of one field by a whole number: the beginning of a script that continues with patch.lua for everything
-- else, such as an absent entry, a cap, a sum out of its bounds, or a number that a double does not hold exactly.
-- Measured on the server: 3.6 us, and 16 us for patch.lua alone.
-- ARGV: field, amount, token, size limit, expiry and length, cap and length, and the name's share of the size in one
-- text, then, without the empty ones at the end: refresh mode extend|reset, its ttl, deadline wanted, minimum, maximum
-- Answer: text of the sum | expiry, text of the sum | the answer of patch.lua
local key, field, mode, min, max = KEYS[1], ARGV[1], ARGV[6] or '', ARGV[9] or '', ARGV[10] or ''
local wanted = (ARGV[8] or '') ~= ''
local stored = redis.pcall('HMGET', key, 'ttl:version', 'ttl:cap', field)
local mark, text = stored[1], stored[3]
-- A mark of a record with its size has the dot after 22 characters of token.
if mark and text and not stored[2] and #text < 16 and (string.find(text, '^%-?[1-9]%d*$') or text == '0')
  and string.byte(mark, 24) == 46 and string.find(mark, '^r[%w_-]+%.%d+$') then
  local sum = text + ARGV[2]
  local new = string.format('%.0f', sum)
  local digits = string.sub(mark, 25)
  local size = digits + #new - #text
  if size > 0 and size < tonumber(ARGV[4]) and (min == '' or sum >= tonumber(min)) and (max == '' or sum <= tonumber(max))
    and (mode == '' or redis.acl_check_cmd('PEXPIRE', key, ARGV[7], 'GT'))
    and (not wanted or redis.acl_check_cmd('PEXPIRETIME', key)) then
    if #new ~= #text then digits = string.format('%.0f', size) end
    redis.call('HSET', key, field, new, 'ttl:version', 'r' .. ARGV[3] .. '.' .. digits)
    if mode == 'extend' then redis.call('PEXPIRE', key, ARGV[7], 'GT')
    elseif mode == 'reset' then redis.call('PEXPIRE', key, ARGV[7]) end
    if wanted then return { redis.call('PEXPIRETIME', key), new } end
    return new
  end
end
local create, length, cap, cap_length, cost = string.match(ARGV[5], '^(%S*) (%S*) (%S*) (%S*) (%S*)$')
local bounded = min ~= '' or max ~= ''
local ARGV = {
  '', mode, mode ~= '' and ARGV[7] or '0', create, length, cap, cap_length, ARGV[3], ARGV[4], '0', '1', '0', field, cost,
  bounded and 'increment_within' or 'increment', '1', bounded and ARGV[2] .. ' ' .. min .. ' ' .. max or ARGV[2],
}
