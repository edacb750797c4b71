-- Charges all buckets or none (GCRA), on this server's clock. KEYS are the buckets; ARGV holds, for each, what its hits cost
-- and what it tolerates, in microseconds. A value is "<full_at in microseconds>", with "r" behind it after a refusal.
-- Answers: now, 1 when all had room, then for each bucket when it will be unused again, and 1 when it had room.
-- Microseconds since 1970 are below 2^53, so Lua's numbers hold them exactly.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full, refused, fits = {}, {}, {}
local passed = true
for i, key in ipairs(KEYS) do
    local value = redis.call('GET', key)
    full[i], refused[i] = now, false
    if value then
        refused[i] = string.sub(value, -1) == 'r'
        local at = tonumber((string.gsub(value, 'r', '')))
        if at > now then full[i] = at end
    end
    fits[i] = full[i] + ARGV[2 * i - 1] <= now + ARGV[2 * i]
    passed = passed and fits[i]
end
local out = { now, passed and 1 or 0 }
for i, key in ipairs(KEYS) do
    local note = ''
    local write = passed
    if passed then
        full[i] = full[i] + ARGV[2 * i - 1]
    elseif not fits[i] and not refused[i] then
        note, write = 'r', true
    end
    if write then
        redis.call('SET', key, string.format('%.0f', full[i]) .. note, 'PX', math.ceil((full[i] - now) / 1000) + 1000)
    end
    out[#out + 1] = full[i]
    out[#out + 1] = fits[i] and 1 or 0
end
return out
