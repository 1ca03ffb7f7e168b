-- SPDX-License-Identifier: Apache-2.0
-- Removes items. KEYS: session, items. ARGV: now, digest, 'all' or 'some', then the items.
-- Answers {now, session, how many it held of them}; nothing where the session does not open.
local now = clock(ARGV[1])
local session = read(KEYS[1])
if admission(session, ARGV[2], now) ~= 'full' then return false end
local count = 0
if ARGV[3] == 'all' then
    count = redis.call('HLEN', KEYS[2])
    redis.call('DEL', KEYS[2])
elseif #ARGV > 3 then
    count = redis.call('HDEL', KEYS[2], unpack(ARGV, 4))
end
return {whole(now), session, count}
