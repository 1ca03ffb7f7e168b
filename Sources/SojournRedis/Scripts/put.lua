-- SPDX-License-Identifier: Apache-2.0
-- Writes rows of the catalogue (I1). KEYS: rows, names, places. ARGV: for each row its id, its text and its place in the
-- order of names. Answers {added, updated}.
local added, updated = 0, 0
for at = 1, #ARGV, 3 do
    local id, row, place = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local before = redis.call('HGET', KEYS[1], id)
    if before ~= row then
        if before then updated = updated + 1 else added = added + 1 end
        local old = redis.call('HGET', KEYS[3], id)
        if old and old ~= place then redis.call('ZREM', KEYS[2], old) end
        redis.call('HSET', KEYS[1], id, row)
        redis.call('HSET', KEYS[3], id, place)
        redis.call('ZADD', KEYS[2], 0, place)
    end
end
return {added, updated}
