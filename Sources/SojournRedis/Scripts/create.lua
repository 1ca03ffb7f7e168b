-- SPDX-License-Identifier: Apache-2.0
-- Begins a session where the id is free (law 3). KEYS: session, facts.
-- ARGV: now, actor, life, cap ('' for none), '1' where nobody shall see it before it is written again, which must come
-- within ten seconds, then fields and their values. Answers now; nothing where the id is taken, 0 where
-- it will be known soon whether it is.
local now = clock(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then return redis.call('HEXISTS', KEYS[1], 'b') == 1 and '0' end
local expiry = now + ARGV[3]
if ARGV[4] ~= '' then
    local cap = now + ARGV[4]
    expiry = math.min(expiry, cap)
    redis.call('HSET', KEYS[1], 'X', whole(cap))
end
redis.call(
    'HSET', KEYS[1], 's', whole(now), 'a', whole(now), 'x', whole(expiry), 'l', ARGV[3], 'n', '0', 'w', '1',
    unpack(ARGV, 6))
note(KEYS[1], KEYS[2], now, 'created', ARGV[2], '')
if ARGV[5] == '1' then
    redis.call('HSET', KEYS[1], 'b', '1')
    for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 10000) end
else
    keep(KEYS, expiry, now)
end
return whole(now)
