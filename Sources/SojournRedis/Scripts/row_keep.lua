-- SPDX-License-Identifier: Apache-2.0
-- Keeps copies of rows, each as its version, a blank and the row; without a row, that it was forgotten. One does not take the
-- place of a newer one, nor of a row that was forgotten lately. KEYS: copies, until when each is good. ARGV: a life, of which
-- this much is left, and how long something forgotten keeps others out, in milliseconds; how many copies there may be; then ids,
-- versions and rows. Who was forgotten stays for a whole life as well, so that it is not the first to go when there are too many.
local time = redis.call('TIME')
local now = math.floor(time[1] * 1000 + time[2] / 1000)
-- Redis may have evicted the one and not the other; without its times, a copy would stay for ever.
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
local function drop(ids)
    for _, id in ipairs(ids) do
        redis.call('ZREM', KEYS[2], id)
        redis.call('HDEL', KEYS[1], id)
    end
end
drop(redis.call('ZRANGE', KEYS[2], '-inf', now, 'BYSCORE', 'LIMIT', 0, 100))
for at = 5, #ARGV, 3 do
    local id, version, row = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local due = redis.call('ZSCORE', KEYS[2], id)
    local old = due and tonumber(due) > now and redis.call('HGET', KEYS[1], id)
    if old and string.sub(old, -1) == ' ' and due - ARGV[1] + ARGV[3] <= now then old = nil end
    if not old or tonumber(string.match(old, '^%d+')) <= tonumber(version) then
        redis.call('HSET', KEYS[1], id, version .. ' ' .. row)
        redis.call('ZADD', KEYS[2], string.format('%d', now + ARGV[2]), id)
    end
end
local over = redis.call('ZCARD', KEYS[2]) - ARGV[4]
if over > 0 then drop(redis.call('ZRANGE', KEYS[2], 0, over - 1)) end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
