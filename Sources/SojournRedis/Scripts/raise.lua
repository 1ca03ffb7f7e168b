-- SPDX-License-Identifier: Apache-2.0
-- Raises a user's epoch, which ends all of the user's sessions, but the one to keep. KEYS: user, its sessions.
-- ARGV: now, actor, the session to keep ('' for none) and its epoch.
-- Answers {now, the user as it was, the sessions listed}; nothing where the session to keep is ended already.
local now = clock(ARGV[1])
local user = redis.call('HMGET', KEYS[1], 'e', 'k', 'f', 'at', 'by')
local epoch = tonumber(user[1] or 0)
if ARGV[3] ~= '' then
    local own = tonumber(ARGV[4])
    local is_kept = user[2] == ARGV[3] and own >= tonumber(user[3]) and own <= epoch
    if own ~= epoch and not is_kept then return false end
    redis.call('HSET', KEYS[1], 'k', ARGV[3], 'f', ARGV[4])
else
    redis.call('HDEL', KEYS[1], 'k', 'f')
end
redis.call('HSET', KEYS[1], 'e', whole(epoch + 1), 'at', whole(now), 'by', ARGV[2])
return {whole(now), user, redis.call('ZRANGE', KEYS[2], 0, -1)}
