-- SPDX-License-Identifier: Apache-2.0
-- Writes down the end that a raised epoch brought to one of the user's sessions. KEYS: session, items, facts.
-- ARGV: the moment of the raise, actor, user, the epochs that it ended: from, to.
-- Answers 1; 0 where that raise did not end it. A session that is about to become the user's learns that it will be so
-- after the raise.
local session = read(KEYS[1])
local moment = tonumber(ARGV[1])
if session[EXPIRES] and (session[1] ~= ARGV[3] or session[BEGUN]) then
    redis.call('HSET', KEYS[1], 'U', ARGV[3], 'E', whole(ARGV[5] + 1))
end
if session[1] ~= ARGV[3] or not is_live(session, moment) then return 0 end
local epoch = tonumber(session[15])
if epoch < tonumber(ARGV[4]) or epoch > tonumber(ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], 'o', ARGV[1], 'y', 'revoked', 'w', whole(session[22] + 1))
redis.call('HDEL', KEYS[1], 'p', 'q', 'z')
note(KEYS[1], KEYS[3], moment, 'ended', ARGV[2], 'revoked')
keep(KEYS, moment, moment)
return 1
