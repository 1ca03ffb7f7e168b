-- SPDX-License-Identifier: Apache-2.0
-- Begins a session where the id is free (law 3). KEYS: session, facts.
-- ARGV: now, actor, life, cap ('' for none), then fields and their values. Answers now; nothing where the id is taken.
local now = clock(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local expiry = now + ARGV[3]
if ARGV[4] ~= '' then
    local cap = now + ARGV[4]
    expiry = math.min(expiry, cap)
    redis.call('HSET', KEYS[1], 'X', whole(cap))
end
redis.call(
    'HSET', KEYS[1], 's', whole(now), 'a', whole(now), 'x', whole(expiry), 'l', ARGV[3], 'n', '0', 'w', '1',
    unpack(ARGV, 5))
note(KEYS[1], KEYS[2], now, 'created', ARGV[2], '')
keep(KEYS, expiry, now)
return whole(now)
