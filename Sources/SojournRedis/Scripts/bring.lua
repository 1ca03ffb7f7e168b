-- SPDX-License-Identifier: Apache-2.0
-- Brings a session's copy, where the leave to bring it still holds. KEYS: copy. ARGV: era, this server's run id, the
-- leave's number, for how many milliseconds, the copy, which stands under the run id. Answers 1; 0 where it was not taken.
local found = redis.call('HMGET', KEYS[1], 'T', 'L')
if found[1] ~= ARGV[1] .. ' ' .. ARGV[2] or found[2] ~= ARGV[3] then return 0 end
redis.call('HDEL', KEYS[1], 'L')
redis.call('HSET', KEYS[1], ARGV[2], ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
