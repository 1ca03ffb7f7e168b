-- SPDX-License-Identifier: Apache-2.0
-- Gives leave to bring a session's copy, for ten seconds, to who found none. KEYS: copy. ARGV: era, this server's run id, a
-- number for the leave. Answers 1 for leave, 0 where there is none to give: somebody has it, or brought a copy meanwhile.
-- Without a run id, one cannot tell a server that was restarted with old copies: then there is neither.
if ARGV[2] == '' then return 0 end
local tag = ARGV[1] .. ' ' .. ARGV[2]
if redis.call('HGET', KEYS[1], 'T') == tag or redis.call('HEXISTS', KEYS[1], 'B') == 1 then return 0 end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'T', tag, 'L', ARGV[3])
redis.call('PEXPIRE', KEYS[1], 10000)
return 1
