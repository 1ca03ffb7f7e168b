-- SPDX-License-Identifier: Apache-2.0
-- Lets nobody change or delete a session for two seconds while its user's other sessions are ended, or lets go of it.
-- KEYS: session. ARGV: the writes counted when it was read, '1' to hold, '0' to let go. Answers 1, or 0 where it was
-- changed meanwhile or is held.
if ARGV[2] == '0' then
    redis.call('HDEL', KEYS[1], 'h')
    return 1
end
if redis.call('HGET', KEYS[1], 'w') ~= ARGV[1] or is_held(KEYS[1]) then return 0 end
redis.call('HSET', KEYS[1], 'h', whole(clock('') + 2000000))
return 1
