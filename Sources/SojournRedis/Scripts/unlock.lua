-- SPDX-License-Identifier: Apache-2.0
-- Gives back a lock, unless it ran out and is another's by now. KEYS: lock. ARGV: what the holder wrote there.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 1
