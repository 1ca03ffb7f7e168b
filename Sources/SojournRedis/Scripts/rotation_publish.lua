-- SPDX-License-Identifier: Apache-2.0
-- Serves a hash that was made beside, with the life it has. KEYS: what is served, the new one, whose turn it is. ARGV: who
-- made it, how many rows it has to have. Answers 1; 0 where somebody else's turn began since, or rows were lost.
if redis.call('GET', KEYS[3]) ~= ARGV[1] or redis.call('HLEN', KEYS[2]) ~= tonumber(ARGV[2]) then return 0 end
if ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
else
    redis.call('RENAME', KEYS[2], KEYS[1])
end
return 1
