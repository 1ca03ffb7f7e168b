-- SPDX-License-Identifier: Apache-2.0
-- Looks for a session's copy, or gives leave to bring one for ten seconds. KEYS: copy. ARGV: era, this server's run id, a
-- number for the leave. Answers the copy, after its tag and the leave; 1 for leave, 0 where there is none to give.
-- Without a run id, one cannot tell a server that was restarted with old copies: then there is neither.
if ARGV[2] == '' then return 0 end
local tag = ARGV[1] .. ' ' .. ARGV[2]
local copy = redis.call('HMGET', KEYS[1], 'T', 'L', FIELDS)
if copy[1] == tag then return not copy[2] and copy or 0 end
if redis.call('HEXISTS', KEYS[1], 'B') == 1 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'T', tag, 'L', ARGV[3])
redis.call('PEXPIRE', KEYS[1], 10000)
return 1
