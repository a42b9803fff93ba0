-- Applies operations to the fields of a record, all or none.
-- ARGV: version or '', refresh mode extend|reset or '', its ttl, create never|after|at or '', its length,
-- cap never|after|at or '', its length, token, size limit, size of the initial record, number of fields, of initial
-- pairs; then for each field its name and the name's share of the size, the initial pairs, and for each operation its
-- name, field, argument.
-- Answer: done, created, deadline, token, texts of the fields, effects | absent | refused | wrong_kind | corrupt
-- | out_of_bounds, and if there is an entry its deadline, token, texts of the fields | too_far
-- | too_long, field | wrong_field_type, field | overflow, field | too_large, size
local expected, mode, ttl, create, length, cap_expiry, cap_length, token, limit = unpack(ARGV, 1, 9)
local initial_size, fields, initials = unpack(ARGV, 10, 12)
local sub, byte, find = string.sub, string.byte, string.find
local MAX_SCANNED, MAX_COPIED = 65536, 16777216

local asked, cap
if create ~= '' then
  asked, cap = resolve(create, length), resolve(cap_expiry, cap_length)
  if not asked or not cap then return { 'too_far' } end
end
local entry = load()
if entry and entry.kind == 'corrupt' then return { 'corrupt' } end
if entry then
  if expected ~= '' and version(entry) ~= expected then return { 'refused' } end
  if entry.kind == 'b' then return { 'wrong_kind' } end
elseif create == '' or expected ~= '' then
  return { 'absent' }
end

-- The fields by number: name, and text or false.
fields, initials = tonumber(fields), tonumber(initials)
local at = 13
local names, costs, texts, before = {}, {}, {}, {}
for i = 1, fields do
  names[i], costs[i] = ARGV[at], tonumber(ARGV[at + 1])
  at = at + 2
end
local first_initial = at
at = at + 2 * initials
local first_operation = at
if entry then
  if fields > 0 then texts = redis.call('HMGET', key, unpack(names)) end
else
  local initial = {}
  for i = first_initial, first_operation - 1, 2 do initial[ARGV[i]] = ARGV[i + 1] end
  for i = 1, fields do texts[i] = initial[names[i]] or false end
end
for i = 1, fields do before[i] = texts[i] end

local failure
local copied, scanned = 0, 0

local function fail(status, i)
  failure = { status, i }
end

-- Another type is an error of the caller; text that is not JSON was written by another client.
local function fail_type(i)
  fail(is_json(texts[i]) and 'wrong_field_type' or 'corrupt', i)
end

local function list(i)
  local text = texts[i]
  if not text then return nil end
  if sub(text, 1, 1) ~= '[' or sub(text, -1) ~= ']' then
    text = string.match(text, '^%s*(%[.*%])%s*$')
    if not text then return fail_type(i) end
  end
  if copied > 0 and copied + #text > MAX_COPIED then return fail('too_long', i) end
  copied = copied + #text
  return text
end

local function is_empty(text)
  return find(text, '^%[%s*%]$') ~= nil
end

-- Returns the end of the element that begins at a position: its comma, or the list's bracket; nil if there is none.
local function element_end(text, from)
  local depth = 0
  while true do
    from = find(text, '[%[%]{}",]', from)
    if not from then return nil end
    local c = byte(text, from)
    if c == 34 then
      repeat
        from = find(text, '["\\]', from + 1)
        if not from then return nil end
        local quote = byte(text, from) == 34
        if not quote then from = from + 1 end
      until quote
    elseif c == 91 or c == 123 then
      depth = depth + 1
    elseif c == 44 then
      if depth == 0 then return from end
    else
      if depth == 0 then return from end
      depth = depth - 1
    end
    from = from + 1
  end
end

-- Returns the start of the element that ends at a position; nil if there is none. Searches the reversed text, because
-- a search is forward only, and one byte at a time is too slow. A quote within a text has an odd number of backslashes.
local function element_start(back, from)
  local depth, length = 0, #back + 1
  local at = length - from
  while true do
    at = find(back, '[%[%]{}",]', at)
    if not at then return nil end
    local c = byte(back, at)
    if c == 34 then
      repeat
        at = find(back, '"', at + 1, true)
        if not at then return nil end
        local _, slashes = find(back, '^\\*', at + 1)
      until (slashes - at) % 2 == 0
    elseif c == 93 or c == 125 then
      depth = depth + 1
    elseif c == 44 then
      if depth == 0 then return length - at + 1 end
    else
      if depth == 0 then return at == #back and 2 or nil end
      depth = depth - 1
    end
    at = at + 1
  end
end

local operations = {}

function operations.set(i, text) texts[i] = text end

function operations.unset(i) texts[i] = false end

function operations.clear(i)
  if list(i) then texts[i] = '[]' end
end

function operations.append(i, more)
  local text = list(i)
  if failure then return end
  if not text or is_empty(text) then texts[i] = '[' .. more .. ']'
  else texts[i] = sub(text, 1, -2) .. ',' .. more .. ']' end
end

function operations.prepend(i, more)
  local text = list(i)
  if failure then return end
  if not text or is_empty(text) then texts[i] = '[' .. more .. ']'
  else texts[i] = '[' .. more .. ',' .. sub(text, 2) end
end

function operations.pop_front(i, count)
  local text, popped = list(i), {}
  if failure then return end
  local from = 2
  local empty = not text or is_empty(text)
  for n = 1, tonumber(count) do
    popped[n] = false
    if not empty then
      local ends = element_end(text, from)
      if not ends then return fail('corrupt', i) end
      popped[n] = sub(text, from, ends - 1)
      empty = byte(text, ends) == 93
      if empty and ends ~= #text then return fail('corrupt', i) end
      from = ends + 1
    end
  end
  if text then texts[i] = empty and '[]' or '[' .. sub(text, from) end
  return popped
end

function operations.pop_back(i, count)
  local text, popped = list(i), {}
  if failure then return end
  local last = text and #text - 1
  local empty = not text or is_empty(text)
  local back = not empty and string.reverse(text)
  for n = 1, tonumber(count) do
    popped[n] = false
    if not empty then
      local starts = element_start(back, last)
      if not starts then return fail('corrupt', i) end
      popped[n] = sub(text, starts, last)
      empty = starts == 2
      last = starts - 2
    end
  end
  if text then texts[i] = empty and '[]' or sub(text, 1, last) .. ']' end
  return popped
end

function operations.remove_value(i, element)
  local text = list(i)
  if failure then return end
  if not text or is_empty(text) then return 0 end
  scanned = scanned + #text
  if scanned > MAX_SCANNED then return fail('too_long', i) end
  local kept, removed, from = {}, 0, 2
  repeat
    local ends = element_end(text, from)
    if not ends then return fail('corrupt', i) end
    local item = sub(text, from, ends - 1)
    if item == element then removed = removed + 1 else kept[#kept + 1] = item end
    from = ends + 1
  until byte(text, ends) == 93
  if from <= #text then return fail('corrupt', i) end
  if removed > 0 then texts[i] = '[' .. table.concat(kept, ',') .. ']' end
  return removed
end

-- Whole numbers as sign, upper part and the lower ten digits: a double holds each of these exactly.
local function integer(text)
  local sign, digits = string.match(text, '^(-?)(%d+)$')
  if not digits or #digits > 20 or (#digits > 1 and byte(digits) == 48) then return nil end
  local high = #digits > 10 and tonumber(sub(digits, 1, -11)) or 0
  local low = tonumber(sub(digits, -10))
  local limit = sign == '-' and 922337203 or 1844674407
  local rest = sign == '-' and 6854775808 or 3709551615
  if high > limit or (high == limit and low > rest) then return nil end
  local factor = sign == '-' and -1 or 1
  return factor * high, factor * low
end

local function fits_i64(high, low)
  if high == nil then return false end
  return high < 922337203 or (high == 922337203 and low <= 6854775807)
end

-- Returns the exact sum, or nil if it is out of the range of i64.
local function add_integers(high, low)
  local carry = math.floor(low / 1e10)
  high, low = high + carry, low - carry * 1e10
  local negative = high < 0
  if negative then
    -- Not -low, which would print as -0.
    high, low = 0 - high, 0 - low
    if low < 0 then high, low = high - 1, low + 1e10 end
  end
  if high > 922337203 or (high == 922337203 and low > (negative and 6854775808 or 6854775807)) then return nil end
  local sign = negative and '-' or ''
  if high == 0 then return sign .. string.format('%.0f', low) end
  return sign .. string.format('%.0f%010.0f', high, low)
end

-- Returns the shortest digits of a fraction that read back as the same number. Next to a power of two the gap below is
-- half the gap above, so there the next number up may be shorter than the nearest.
local function shortest(float)
  local power = math.frexp(float) == 0.5
  for precision = 0, 16 do
    local text = string.format('%.' .. precision .. 'e', float)
    if tonumber(text) == float then return text end
    local digits, exponent = string.match(text, '^([%d%.]+)(e.*)$')
    local head, digit, nines = string.match(digits, '^(.*)([0-8])(9*)$')
    if power and digit then
      text = head .. (digit + 1) .. string.rep('0', #nines) .. exponent
      if tonumber(text) == float then return text end
    end
  end
end

-- Returns a sum in the canonical form; nil if it is not finite.
local function float_text(float)
  if float ~= float or float == math.huge or float == -math.huge then return nil end
  if float == 0 then return '0' end
  if float == math.floor(float) and float >= -9223372036854775808 and float < 18446744073709551616 then
    return string.format('%.0f', float)
  end
  local sign = float < 0 and '-' or ''
  local digits, exponent = string.match(shortest(math.abs(float)), '^([%d%.]+)e(.*)$')
  digits = string.gsub(digits, '%.', '')
  digits = string.match(digits, '^(.-)0*$')
  exponent = tonumber(exponent)
  if exponent < -4 or exponent >= 16 then
    local fraction = #digits > 1 and '.' .. sub(digits, 2) or ''
    return sign .. sub(digits, 1, 1) .. fraction .. string.format('e%d', exponent)
  end
  if exponent < 0 then return sign .. '0.' .. string.rep('0', -exponent - 1) .. digits end
  return sign .. sub(digits, 1, exponent + 1) .. '.' .. sub(digits, exponent + 2)
end

local function float(text)
  local whole, rest = string.match(text, '^%-?(%d+)(.*)$')
  if not whole or (#whole > 1 and byte(whole) == 48) then return nil end
  rest = string.gsub(string.gsub(rest, '^%.%d+', ''), '^[eE][+-]?%d+', '')
  if rest ~= '' then return nil end
  return tonumber(text)
end

function operations.increment(i, by)
  local text = texts[i] or '0'
  local high, low = integer(text)
  local number = float(text)
  if not number then return fail_type(i) end
  if number == math.huge or number == -math.huge then return fail('corrupt', i) end
  if not high and number == math.floor(number) and number >= -9223372036854775808 and number < 18446744073709551616 then
    -- A whole number in the form of another client.
    high, low = integer(string.format('%.0f', number))
  end
  local by_high, by_low = integer(by)
  if high and fits_i64(by_high, by_low) then
    texts[i] = add_integers(high + by_high, low + by_low)
  else
    texts[i] = float_text(number + tonumber(by))
  end
  if not texts[i] then fail('overflow', i) end
end

-- Reads an increment with bounds: its amount, and the minimum and the maximum of the sum, empty for none. The bounds
-- are exact doubles, and no other whole number is rounded to one of them.
function operations.increment_within(i, argument)
  local by, min, max = string.match(argument, '^(%S+) (%S*) (%S*)$')
  operations.increment(i, by)
  if failure then return end
  local sum = tonumber(texts[i])
  if (min ~= '' and sum < tonumber(min)) or (max ~= '' and sum > tonumber(max)) then fail('out_of_bounds', i) end
end

local effects = {}
for i = first_operation, #ARGV, 3 do
  local effect = operations[ARGV[i]](tonumber(ARGV[i + 1]), ARGV[i + 2])
  if failure and failure[1] == 'out_of_bounds' then
    if not entry then return { 'out_of_bounds' } end
    return { 'out_of_bounds', answer(entry.ends), version(entry), before }
  end
  if failure then return failure end
  if effect then effects[#effects + 1] = effect end
end

local deadline
if entry then
  deadline = mode == '' and entry.ends or refreshed(entry, mode, ttl)
else
  deadline = math.min(asked, cap)
  if deadline <= floor then return { 'done', 1, answer(deadline), false, texts, effects } end
end

-- Returns the size of a record without a stored size; slightly too small if names need escapes.
local function measured()
  local size, all = 0, redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if sub(all[i], 1, 4) ~= 'ttl:' then size = size + #all[i] + 4 + #all[i + 1] end
  end
  return size
end

local size = entry and (entry.size or measured()) or tonumber(initial_size)
local flat, gone = {}, {}
for i = 1, fields do
  local old, new = before[i], texts[i]
  if old ~= new then
    size = size + (new and #new + costs[i] or 0) - (old and #old + costs[i] or 0)
  end
  if new and (old ~= new or not entry) then
    flat[#flat + 1] = names[i]
    flat[#flat + 1] = new
  elseif old and not new then
    gone[#gone + 1] = names[i]
  end
end
-- Another client may have stored a size that is too small.
size = math.max(size, 0)
-- The texts of n fields have n - 1 commas between and two braces around them.
if (size > 0 and size + 1 or 2) > tonumber(limit) then return { 'too_large', size + 1 } end

local moves = deadline ~= NEVER and (not entry or deadline ~= entry.ends)
local denial = (moves and denied('PEXPIREAT', '1')) or (#gone > 0 and entry and denied('HDEL', 'n'))
if denial then return denial end
flat[#flat + 1] = 'ttl:version'
flat[#flat + 1] = string.format('r%s.%.0f', token, size)
if entry then
  write(flat)
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
else
  if cap ~= NEVER then
    flat[#flat + 1] = 'ttl:cap'
    flat[#flat + 1] = string.format('%.0f', cap)
  end
  local touched = {}
  for i = 1, fields do touched[names[i]] = true end
  for i = first_initial, first_operation - 1, 2 do
    if not touched[ARGV[i]] then
      flat[#flat + 1] = ARGV[i]
      flat[#flat + 1] = ARGV[i + 1]
    end
  end
  if stored then redis.call('DEL', key) end
  write(flat)
end
if moves then redis.call('PEXPIREAT', key, deadline - 1) end
return { 'done', entry and 0 or 1, answer(deadline), token, texts, effects }
