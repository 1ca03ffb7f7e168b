-- SPDX-License-Identifier: Apache-2.0
-- The SQL API (J6): sessions for psql and for every language that has a PostgreSQL client.
-- docs/SQL.md shows it in use.

-- Begins a session and returns its id. It has no secret: a service key's `POST /v1/sessions/{id}/token` issues one.
CREATE FUNCTION sojourn.start_session(
    p_user_id text DEFAULT NULL, p_session_type text DEFAULT 'web', p_metadata jsonb DEFAULT '{}') RETURNS uuid
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        INSERT INTO sojourn.session_master (user_id, session_type, session_metadata)
        VALUES (p_user_id, p_session_type, coalesce(p_metadata, '{}'))
        RETURNING session_id
    $$;

-- The same for user ids that are numbers. No default for the first argument: two would be ambiguous.
CREATE FUNCTION sojourn.start_session(
    p_user_id bigint, p_session_type text DEFAULT 'web', p_metadata jsonb DEFAULT '{}') RETURNS uuid
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$ SELECT sojourn.start_session(p_user_id::text, p_session_type, p_metadata) $$;

-- Ends a live session for good. False where there is none with that id.
CREATE FUNCTION sojourn.end_session(p_session_id uuid) RETURNS boolean
    LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
        WITH ended AS (
            UPDATE sojourn.session_master AS s
            SET session_end = t.at, end_reason = 'ended',
                previous_digest = NULL, previous_until = NULL, successor_sealed = NULL,
                fact_count = s.fact_count + 1
            FROM (SELECT sojourn.clock() AS at) AS t
            WHERE s.session_id = p_session_id AND sojourn.session_live(s, t.at)
            RETURNING s.session_id, s.fact_count, s.session_end
        ), noted AS (
            INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor, detail)
            SELECT session_id, fact_count, session_end, 'ended', 'sql', 'ended' FROM ended
        )
        SELECT EXISTS (SELECT 1 FROM ended)
    $$;

-- Marks every session whose time ran out, whose user's epoch was raised or that nobody used (a whole lap), and returns how
-- many. Waits for a sweep under way.
CREATE FUNCTION sojourn.clean_inactive_sessions() RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_total bigint := 0;
    v_step  record;
    v_next  uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sojourn'), hashtext('sweep'));
    LOOP
        SELECT * INTO v_step FROM sojourn.mark_run_out(1000);
        v_total := v_total + v_step.expired + v_step.revoked;
        EXIT WHEN NOT v_step.more OR v_step.expired + v_step.revoked = 0;
    END LOOP;
    LOOP
        SELECT * INTO v_step FROM sojourn.mark_inactive(v_next, 1000);
        v_total := v_total + v_step.inactive;
        v_next := v_step.next;
        EXIT WHEN v_next IS NULL;
    END LOOP;
    RETURN v_total;
END $$;

-- Deletes every session that ended at least so many days ago, with all that it holds, and returns how many. Waits for a
-- sweep under way.
CREATE FUNCTION sojourn.delete_old_sessions(days integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_total bigint := 0;
    v_step  record;
    v_types CONSTANT text[] := ARRAY['admin', 'api', 'chat', 'test', 'voice', 'web'];
BEGIN
    IF days IS NULL OR days < 0 THEN
        RAISE EXCEPTION 'days: expected a whole number from 0, got %', coalesce(days::text, 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('sojourn'), hashtext('sweep'));
    LOOP
        SELECT * INTO v_step FROM sojourn.delete_retired(
            v_types, array_fill(make_interval(days => days), ARRAY[cardinality(v_types)]), 1000);
        v_total := v_total + v_step.deleted;
        EXIT WHEN NOT v_step.more OR v_step.deleted = 0;
    END LOOP;
    RETURN v_total;
END $$;

-- What an application's role may do: call the four functions, insert sessions and what they hold, read everything but the
-- digests. `GRANT sojourn_app TO my_app` gives it to a login. Left out where this role may not make roles.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sojourn FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sojourn_app') THEN
        CREATE ROLE sojourn_app NOLOGIN;
    END IF;
EXCEPTION
    -- Another database of this server may make it at the same moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'the role sojourn_app was not made: this role may not create roles';
END $$;

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sojourn_app') THEN
        RETURN;
    END IF;
    GRANT USAGE ON SCHEMA sojourn TO sojourn_app;
    GRANT SELECT (session_id, user_id, epoch, user_epoch, session_type, renewal, ttl_seconds, session_start, last_activity,
            expires_at, absolute_expires_at, session_end, end_reason, request_count, turn_count, fact_count, created_by,
            version,            ip_address, user_agent, session_metadata, session_claims, is_active, expiry_hour),
        INSERT (session_id, user_id, session_type, renewal, ttl_seconds, expires_at, absolute_expires_at, ip_address,
            user_agent, session_metadata, session_claims)
        ON sojourn.session_master TO sojourn_app;
    GRANT SELECT ON sojourn.users, sojourn.items, sojourn.session_items, sojourn.session_facts, sojourn.active_sessions
        TO sojourn_app;
    GRANT INSERT ON sojourn.session_items TO sojourn_app;
    GRANT EXECUTE ON FUNCTION sojourn.clock(), sojourn.start_session(text, text, jsonb),
        sojourn.start_session(bigint, text, jsonb), sojourn.end_session(uuid), sojourn.clean_inactive_sessions(),
        sojourn.delete_old_sessions(integer), sojourn.session_live(sojourn.session_master, timestamptz) TO sojourn_app;
END $$;
