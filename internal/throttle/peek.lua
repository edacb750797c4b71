-- Reads one bucket: now, when it will be unused again, and 1 when its last hit was refused.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local value = redis.call('GET', KEYS[1])
if not value then return { now, now, 0 } end
local at = tonumber((string.gsub(value, 'r', '')))
return { now, math.max(at, now), string.sub(value, -1) == 'r' and 1 or 0 }
