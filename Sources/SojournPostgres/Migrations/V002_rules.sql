-- SPDX-License-Identifier: Apache-2.0
-- The rules of a session, said once in SQL: as expressions that PostgreSQL puts in place of the call.

-- The one predicate of liveness: not ended, expiry and cap ahead, epoch equal to the user's.
CREATE FUNCTION sojourn.session_live(s sojourn.session_master, at timestamptz) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT s.session_end IS NULL
            AND least(s.expires_at, s.absolute_expires_at) > at
            AND coalesce(s.epoch, 0) = s.user_epoch
    $$;

-- Whether a caller who shows this digest, or NULL for one that is trusted, holds the current secret. Never NULL, which refuses in a
-- WHERE alone.
CREATE FUNCTION sojourn.session_opens(s sojourn.session_master, digest bytea) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT digest IS NULL OR coalesce(s.secret_digest = digest, false) $$;

-- The expiry that a renewal at a moment brings: the life from then on, never shorter than before, never past the cap;
-- left out where it would move by less than a 24th of the life (S4). STABLE, as an interval added to a time is: what claims
-- more than its body is not inlined, but parsed anew by every statement.
CREATE FUNCTION sojourn.session_renewed(s sojourn.session_master, at timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE
    AS $$
        SELECT CASE
            WHEN (least(at + s.ttl_seconds * interval '1 second', s.absolute_expires_at) - s.expires_at) * 24
                >= s.ttl_seconds * interval '1 second'
            THEN least(at + s.ttl_seconds * interval '1 second', s.absolute_expires_at)
            ELSE s.expires_at
        END
    $$;

-- Where a session stands at a moment, whether or not a sweep has marked it: 'active', 'ended' or 'expired'.
CREATE FUNCTION sojourn.session_status(s sojourn.session_master, raised_at timestamptz, at timestamptz) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT CASE
            WHEN s.end_reason IS NOT NULL THEN CASE s.end_reason WHEN 'expired' THEN 'expired' ELSE 'ended' END
            WHEN coalesce(s.epoch, 0) <> s.user_epoch
                AND (coalesce(raised_at, at) < least(s.expires_at, s.absolute_expires_at)
                    OR least(s.expires_at, s.absolute_expires_at) > at) THEN 'ended'
            WHEN least(s.expires_at, s.absolute_expires_at) <= at THEN 'expired'
            ELSE 'active'
        END
    $$;

-- The live sessions of this moment, without their secrets.
CREATE VIEW sojourn.active_sessions AS
    SELECT session_id, user_id, session_type, session_metadata, session_claims, version, session_start, last_activity,
        expires_at, absolute_expires_at, request_count, turn_count, ip_address, user_agent
    FROM sojourn.session_master AS s
    WHERE sojourn.session_live(s, sojourn.clock());
