-- SPDX-License-Identifier: Apache-2.0
-- Lists a session under its user, and tells the user's epoch at that moment. KEYS: user, its sessions. ARGV: session.
-- Answers {epoch, kept session, kept from, raised at, raised by, how many are listed}.
redis.call('ZADD', KEYS[2], 0, ARGV[1])
local user = redis.call('HMGET', KEYS[1], 'e', 'k', 'f', 'at', 'by')
user[6] = redis.call('ZCARD', KEYS[2])
return user
