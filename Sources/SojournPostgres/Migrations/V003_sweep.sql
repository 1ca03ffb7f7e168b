-- SPDX-License-Identifier: Apache-2.0
-- The steps of a sweep (S8). Each looks at no more rows than it is told to, in order, leaves alone what somebody else has
-- locked, and says whether there is more. Whoever calls them holds `sojourn.lead_sweep()` in the same transaction.

-- Whether the caller's transaction is the one that sweeps; another one's steps touch nothing meanwhile.
CREATE FUNCTION sojourn.lead_sweep() RETURNS boolean
    LANGUAGE sql VOLATILE
    AS $$ SELECT pg_try_advisory_xact_lock(hashtext('sojourn'), hashtext('sweep')) $$;

-- Writes down ends that came by themselves: time ran out, or the user's epoch was raised. A surprising one had been used
-- within the last hour (law 9).
CREATE FUNCTION sojourn.mark_run_out(
    p_rows integer, OUT expired integer, OUT revoked integer, OUT surprising integer, OUT more boolean)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_at   CONSTANT timestamptz := sojourn.clock();
    v_hour CONSTANT integer := floor(extract(epoch FROM v_at) / 3600);
BEGIN
    WITH run_out AS (
        SELECT session_id, user_id FROM sojourn.session_master
        WHERE session_end IS NULL AND expiry_hour <= v_hour AND least(expires_at, absolute_expires_at) <= v_at
        ORDER BY expiry_hour, session_id
        LIMIT p_rows + 1
        FOR UPDATE SKIP LOCKED
    ), raised AS (
        SELECT session_id, user_id FROM sojourn.session_master
        WHERE session_end IS NULL AND coalesce(epoch, 0) <> user_epoch
        ORDER BY session_id
        LIMIT p_rows + 1
        FOR UPDATE SKIP LOCKED
    ), found AS (
        SELECT session_id, user_id FROM run_out UNION SELECT session_id, user_id FROM raised
    ), chosen AS (
        SELECT found.session_id, u.epoch_raised_at, u.epoch_raised_by
        FROM found LEFT JOIN sojourn.users AS u ON u.user_id = found.user_id
        ORDER BY found.session_id
        LIMIT p_rows
    ), marked AS (
        UPDATE sojourn.session_master AS s
        SET session_end = CASE sojourn.session_status(s, c.epoch_raised_at, v_at)
                WHEN 'ended' THEN coalesce(c.epoch_raised_at, v_at)
                ELSE least(s.expires_at, s.absolute_expires_at) END,
            end_reason = CASE sojourn.session_status(s, c.epoch_raised_at, v_at)
                WHEN 'ended' THEN 'revoked' ELSE 'expired' END,
            previous_digest = NULL, previous_until = NULL, successor_sealed = NULL,
            fact_count = s.fact_count + 1
        FROM chosen AS c
        WHERE s.session_id = c.session_id AND s.session_end IS NULL
        RETURNING s.session_id, s.session_end, s.end_reason, s.fact_count, c.epoch_raised_by,
            s.ttl_seconds > 3600 AND s.last_activity > v_at - interval '1 hour' AS was_in_use
    ), noted AS (
        INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor, detail)
        SELECT session_id, fact_count, session_end,
            CASE end_reason WHEN 'expired' THEN 'expired' ELSE 'ended' END,
            CASE end_reason WHEN 'expired' THEN 'sweep' ELSE coalesce(epoch_raised_by, 'sweep') END,
            CASE end_reason WHEN 'revoked' THEN 'revoked' END
        FROM marked
    )
    SELECT count(*) FILTER (WHERE end_reason = 'expired'), count(*) FILTER (WHERE end_reason = 'revoked'),
        count(*) FILTER (WHERE end_reason = 'expired' AND was_in_use), (SELECT count(*) FROM found) > p_rows
    INTO expired, revoked, surprising, more
    FROM marked;
END $$;

-- One stretch of the lap over all sessions, in the order of their ids: ends those that nobody has used for 24 hours, or for
-- their own life where that is longer. `next` is where the following stretch begins; NULL where the lap is over.
CREATE FUNCTION sojourn.mark_inactive(p_after uuid, p_rows integer, OUT inactive integer, OUT next uuid)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_at CONSTANT timestamptz := sojourn.clock();
    v_to uuid;
BEGIN
    SELECT max(session_id::text)::uuid, CASE WHEN count(*) > p_rows THEN (array_agg(session_id))[p_rows] END
    INTO v_to, next
    FROM (
        SELECT session_id FROM sojourn.session_master
        WHERE session_id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
        ORDER BY session_id
        LIMIT p_rows + 1) AS stretch;

    WITH unused AS (
        SELECT session_id FROM sojourn.session_master AS s
        WHERE session_id > coalesce(p_after, '00000000-0000-0000-0000-000000000000')
            AND session_id <= coalesce(next, v_to)
            AND sojourn.session_live(s, v_at)
            AND v_at - last_activity >= greatest(interval '24 hours', ttl_seconds * interval '1 second')
        ORDER BY session_id
        FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE sojourn.session_master AS s
        SET session_end = v_at, end_reason = 'inactive',
            previous_digest = NULL, previous_until = NULL, successor_sealed = NULL,
            fact_count = s.fact_count + 1
        FROM unused
        WHERE s.session_id = unused.session_id
        RETURNING s.session_id, s.fact_count
    ), noted AS (
        INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor, detail)
        SELECT session_id, fact_count, v_at, 'swept', 'sweep', 'inactive' FROM marked
    )
    SELECT count(*) INTO inactive FROM marked;
END $$;

-- Deletes sessions of each type that ended at least so long ago, the longest ended first, with all that they hold.
CREATE FUNCTION sojourn.delete_retired(
    p_types text[], p_kept interval[], p_rows integer, OUT deleted integer, OUT more boolean)
    LANGUAGE plpgsql
    AS $$
DECLARE
    v_at   CONSTANT timestamptz := sojourn.clock();
    v_ids  uuid[];
    v_left integer;
BEGIN
    deleted := 0;
    more := false;
    FOR i IN 1 .. coalesce(array_length(p_types, 1), 0) LOOP
        v_left := p_rows - deleted;
        v_ids := ARRAY(
            SELECT session_id FROM sojourn.session_master
            WHERE session_type = p_types[i] AND session_end IS NOT NULL AND session_end <= v_at - p_kept[i]
            ORDER BY session_end
            LIMIT v_left + 1
            FOR UPDATE SKIP LOCKED);
        more := more OR cardinality(v_ids) > v_left;
        DELETE FROM sojourn.session_master WHERE session_id = ANY (v_ids[1:v_left]);
        deleted := deleted + least(cardinality(v_ids), v_left);
    END LOOP;
END $$;

-- Erases what rotations left behind for their grace: past that, nothing shall tell the successor. By one reading of the clock, so that
-- the index serves: clock() is VOLATILE.
CREATE FUNCTION sojourn.erase_graces(p_rows integer) RETURNS integer
    LANGUAGE sql VOLATILE
    AS $$
        WITH over AS (
            SELECT session_id FROM sojourn.session_master
            WHERE previous_until <= (SELECT sojourn.clock())
            ORDER BY previous_until
            LIMIT p_rows
            FOR UPDATE SKIP LOCKED
        ), erased AS (
            UPDATE sojourn.session_master AS s
            SET previous_digest = NULL, previous_until = NULL, successor_sealed = NULL
            FROM over
            WHERE s.session_id = over.session_id
            RETURNING 1
        )
        SELECT count(*)::integer FROM erased
    $$;
