-- SPDX-License-Identifier: Apache-2.0
-- Looks for the copy of a row. KEYS: copies, until when each is good (a sorted set). ARGV: id. Answers the row, or nothing.
local time = redis.call('TIME')
local due = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not due or tonumber(due) <= time[1] * 1000 + time[2] / 1000 then return false end
local copy = redis.call('HGET', KEYS[1], ARGV[1])
local row = copy and string.match(copy, '^%d+ (.+)$')
return row or false
