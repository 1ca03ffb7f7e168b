-- SPDX-License-Identifier: Apache-2.0
-- Lists a session under its user, and tells the user's epoch at that moment. KEYS: user, its sessions. ARGV: session.
-- Answers {epoch, kept session, kept from, raised at, raised by, the session's number in the order of enrolling,
-- how many are listed}.
local number = redis.call('HINCRBY', KEYS[1], 'n', 1)
redis.call('ZADD', KEYS[2], number, ARGV[1])
local user = redis.call('HMGET', KEYS[1], 'e', 'k', 'f', 'at', 'by')
user[6] = number
user[7] = redis.call('ZCARD', KEYS[2])
return user
