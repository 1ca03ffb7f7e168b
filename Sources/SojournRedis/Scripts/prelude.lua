-- SPDX-License-Identifier: Apache-2.0
-- Stands before every script. A session is a hash; its fields, in the order in which scripts read and answer them, are
-- named in SessionHash.swift, and stand where a script says FIELDS. Moments and lengths are whole microseconds, which a Lua
-- number holds exactly until 2255.
local EXPIRES, LIFE, RENEWAL, DIGEST, PREVIOUS, UNTIL, ENDED, BEGUN = 8, 13, 14, 16, 17, 18, 20, 23

-- The moment that the caller gave, or this server's.
local function clock(given)
    if given ~= '' then return tonumber(given) end
    local time = redis.call('TIME')
    return time[1] * 1000000 + time[2]
end

-- A whole number as text; tostring would round it.
local function whole(value) return string.format('%d', value) end

local function read(key) return redis.call('HMGET', key, FIELDS) end

-- Whether there is a session for others to see: one that is only just begun for a user is not, until it is enrolled.
local function is_there(session) return session[EXPIRES] and not session[BEGUN] end

-- Whether the session is there, not ended, and its expiry ahead. The epoch is another slot's: the caller looks at it.
local function is_live(session, now)
    return is_there(session) and not session[ENDED] and tonumber(session[EXPIRES]) > now
end

-- What a digest may do: 'full', 'previous' (the secret before a rotation, within its grace) or nil. '' is trust.
local function admission(session, digest, now)
    if not is_live(session, now) then return nil end
    if digest == '' or session[DIGEST] == digest then return 'full' end
    if session[PREVIOUS] == digest and tonumber(session[UNTIL]) > now then return 'previous' end
    return nil
end

-- The expiry that a renewal at `now` brings; nil where it moves by less than 1/24 of the life.
local function renewed(session, now)
    local expiry = now + session[LIFE]
    if session[9] and tonumber(session[9]) < expiry then expiry = tonumber(session[9]) end
    if (expiry - session[EXPIRES]) * 24 < tonumber(session[LIFE]) then return nil end
    return expiry
end

-- Lets the session's keys live until `expiry` and for KEPT milliseconds after it.
local function keep(keys, expiry, now)
    local left = whole(math.max(0, math.ceil((expiry - now) / 1000)) + KEPT)
    for _, key in ipairs(keys) do redis.call('PEXPIRE', key, left) end
end

-- Writes a fact down, and drops the oldest past 64.
local function note(session, facts, moment, kind, actor, detail)
    if redis.call('LPUSH', facts, whole(moment) .. ' ' .. kind .. ' ' .. actor .. ' ' .. detail) > 64 then
        redis.call('LTRIM', facts, 0, 63)
        redis.call('HINCRBY', session, 'F', 1)
    end
end

-- Whether somebody who ends a user's other sessions counts on this one to stay as it is (hold.lua). By this server's own
-- clock, since the holder may have died.
local function is_held(key)
    local hold = redis.call('HGET', key, 'h')
    return hold and tonumber(hold) > clock('')
end
