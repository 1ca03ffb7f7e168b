-- SPDX-License-Identifier: Apache-2.0
-- Adds items that the catalogue is known to have, all or none (I2). KEYS: session, items, facts.
-- ARGV: now, digest, how many a session may hold, then the items. Answers {now, session, a 1 or 0 for each item: added};
-- {now, session} where they would be too many; nothing where the session does not open.
local now = clock(ARGV[1])
local session = read(KEYS[1])
if admission(session, ARGV[2], now) ~= 'full' then return false end
local flags, fresh = {}, {}
for at = 4, #ARGV do
    local is_new = redis.call('HEXISTS', KEYS[2], ARGV[at]) == 0
    flags[#flags + 1] = is_new and 1 or 0
    if is_new then
        fresh[#fresh + 1] = ARGV[at]
        fresh[#fresh + 1] = whole(now)
    end
end
if redis.call('HLEN', KEYS[2]) + #fresh / 2 > tonumber(ARGV[3]) then return {whole(now), session} end
if #fresh > 0 then redis.call('HSET', KEYS[2], unpack(fresh)) end
if tonumber(session[7]) < now then redis.call('HSET', KEYS[1], 'a', whole(now)) end
local expiry = session[RENEWAL] ~= 'fixed' and renewed(session, now)
if expiry then
    redis.call('HSET', KEYS[1], 'x', whole(expiry))
    redis.call('HINCRBY', KEYS[1], 'w', 1)
end
keep(KEYS, expiry or tonumber(session[EXPIRES]), now)
return {whole(now), session, flags}
