-- SPDX-License-Identifier: Apache-2.0
-- Removes a session's copy or the leave to bring one, and holds it back for ten seconds. KEYS: copy. ARGV: 1 to hold it
-- back, -1 to free it, which the last holder's does, 0 to remove alone.
local holders = tonumber(redis.call('HGET', KEYS[1], 'B') or 0) + ARGV[1]
redis.call('DEL', KEYS[1])
if holders > 0 then
    redis.call('HSET', KEYS[1], 'B', whole(holders))
    redis.call('PEXPIRE', KEYS[1], 10000)
end
return 1
