-- SPDX-License-Identifier: Apache-2.0
-- Removes a session and all that it holds. KEYS: session, items, facts. ARGV: its user ('' for none).
-- Answers {items}; {} where none is stored or it is another's; nothing where a holder keeps it.
local session = read(KEYS[1])
if not is_there(session) or (session[1] or '') ~= ARGV[1] then return {} end
if is_held(KEYS[1]) then return false end
local items = redis.call('HLEN', KEYS[2])
redis.call('DEL', unpack(KEYS))
return {items}
