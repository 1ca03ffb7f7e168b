-- SPDX-License-Identifier: Apache-2.0
-- Adds rows to a hash that is being made, which goes by itself if it is not published. KEYS: the hash. ARGV: for how many
-- milliseconds, then ids and rows.
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
