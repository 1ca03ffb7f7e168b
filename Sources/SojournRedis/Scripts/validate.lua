-- SPDX-License-Identifier: Apache-2.0
-- Decides and counts one validation (S2). KEYS: session, items, facts. ARGV: now, digest, '1' for the items too.
-- Answers {now, session} or {now, session, items}; nothing where the session does not open.
local now = clock(ARGV[1])
local session = read(KEYS[1])
if not admission(session, ARGV[2], now) then return false end
session[10] = whole(session[10] + 1)
if tonumber(session[7]) < now then session[7] = whole(now) end
local expiry = session[RENEWAL] == 'onAccess' and renewed(session, now)
if expiry then
    session[EXPIRES] = whole(expiry)
    session[22] = whole(session[22] + 1)
    redis.call('HSET', KEYS[1], 'n', session[10], 'a', session[7], 'x', session[EXPIRES], 'w', session[22])
    keep(KEYS, expiry, now)
else
    redis.call('HSET', KEYS[1], 'n', session[10], 'a', session[7])
end
if ARGV[3] == '1' then return {whole(now), session, redis.call('HGETALL', KEYS[2])} end
return {whole(now), session}
