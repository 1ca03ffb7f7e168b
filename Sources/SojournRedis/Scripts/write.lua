-- SPDX-License-Identifier: Apache-2.0
-- Writes what was decided on a session as it was read, if nobody has changed it since. Validations in between change
-- nothing that is decided on: their count stays, and the later activity counts.
-- KEYS: session, items, facts. ARGV: the writes counted when it was read, now, activity, the fact's kind ('' for none),
-- its moment, actor and detail, then fields and their values ('' removes one).
-- Answers {requests, activity}; nothing where the session was changed, or where a holder keeps it.
local found = redis.call('HMGET', KEYS[1], 'w', 'n', 'a')
if found[1] ~= ARGV[1] or is_held(KEYS[1]) then return false end
local now = clock(ARGV[2])
local activity = found[3]
if tonumber(activity) < tonumber(ARGV[3]) then activity = ARGV[3] end
local fields, gone = {'w', whole(found[1] + 1), 'a', activity}, {}
for at = 8, #ARGV, 2 do
    if ARGV[at + 1] == '' then
        gone[#gone + 1] = ARGV[at]
    else
        fields[#fields + 1] = ARGV[at]
        fields[#fields + 1] = ARGV[at + 1]
    end
end
redis.call('HSET', KEYS[1], unpack(fields))
if #gone > 0 then redis.call('HDEL', KEYS[1], unpack(gone)) end
if ARGV[4] ~= '' then note(KEYS[1], KEYS[3], ARGV[5], ARGV[4], ARGV[6], ARGV[7]) end
local after = redis.call('HMGET', KEYS[1], 'x', 'o', 'u', 'e', 'U', 'E')
-- A raise that came to the session before it was that user's did not end it (revoke.lua).
if after[5] and after[5] == after[3] and tonumber(after[6]) > tonumber(after[4]) then
    redis.call('HSET', KEYS[1], 'e', after[6])
end
keep(KEYS, after[2] and now or tonumber(after[1]), now)
return {found[2], activity}
