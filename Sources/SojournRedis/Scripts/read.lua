-- SPDX-License-Identifier: Apache-2.0
-- Reads a session without touching it. KEYS: session, items. ARGV: now, what of the items: '' nothing, 'count', 'all'.
-- Answers {now, session, items}; {} where it is only just begun, nothing where none is stored.
local session = read(KEYS[1])
if not session[EXPIRES] then return false end
if session[BEGUN] then return {} end
local items = false
if ARGV[2] == 'count' then items = redis.call('HLEN', KEYS[2]) end
if ARGV[2] == 'all' then items = redis.call('HGETALL', KEYS[2]) end
return {whole(clock(ARGV[1])), session, items}
