-- A read with a refresh, or with metadata that must be consistent with the value.
-- ARGV: projection all|fields|nothing, expected kind, version wanted, refresh mode extend|reset or '', its ttl, its
-- slack, fields...
-- Answer: done, deadline, cap, version, error of the refresh, kind, value | absent | wrong_kind | corrupt
local projection, expected, wanted, mode, ttl, slack = unpack(ARGV, 1, 6)
local entry = load()
if not entry then return { 'absent' } end
if entry.kind == 'corrupt' then return { 'corrupt' } end
if expected ~= '' and expected ~= entry.kind then return { 'wrong_kind' } end

local value
if projection == 'all' then
  value = whole_value(entry)
  if not value then return { 'corrupt' } end
elseif projection == 'fields' and entry.kind == 'r' then
  value = #ARGV > 6 and redis.call('HMGET', key, unpack(ARGV, 7)) or {}
end
local token = false
if wanted ~= '' then
  if entry.plain and value then token = redis.sha1hex(value) else token = version(entry) end
end

local ends, failed = entry.ends, false
if mode ~= '' then
  local to = refreshed(entry, mode, ttl)
  if to ~= ends and math.abs(to - ends) >= tonumber(slack) then
    -- A server that cannot write at the moment still answers the read.
    local set = redis.pcall('PEXPIREAT', key, to - 1)
    if type(set) == 'table' and set.err then failed = set.err else ends = to end
  end
end
return { 'done', answer(ends), answer(entry.cap), token, failed, entry.kind, value }
