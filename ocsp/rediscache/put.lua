-- Keeps ARGV[1] under KEYS[1] until ARGV[2] (Unix time in milliseconds), unless
-- a value with a greater version, or with the same version and a later or equal
-- thisUpdate, is there already. Returns 1 when it was kept.
--
-- Versions and times are 64 bits wide, and numbers here are exact to 53: each is
-- compared in halves.
local kept = redis.call('GET', KEYS[1])
if kept and #kept > 34 and string.byte(kept, 1) == 2 then
  local function halves(value, at)
    return struct.unpack('>I4', value, at), struct.unpack('>I4', value, at + 4)
  end
  local function compare(at)
    local a, b = halves(kept, at)
    local c, d = halves(ARGV[1], at)
    if a ~= c then return a < c and -1 or 1 end
    if b ~= d then return b < d and -1 or 1 end
    return 0
  end
  local version = compare(2)
  if version > 0 or (version == 0 and compare(18) >= 0) then
    return 0
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PXAT', ARGV[2])
return 1
