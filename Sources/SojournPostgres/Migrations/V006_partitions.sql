-- SPDX-License-Identifier: Apache-2.0
-- The months of `conversations` (J5), in UTC, each a table `conversations_YYYY_MM`. Whatever here changes one holds an advisory
-- lock, so that what it found before is true when it acts, and gives up on a lock after 50 ms (SQLSTATE 55P03): who waits for a
-- strong lock makes others wait behind it. decisions/015 has the locks, measured.

-- The table of the month that a day lies in.
CREATE FUNCTION sojourn.month_table(p_day date) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT 'conversations_' || to_char(p_day::timestamp, 'YYYY_MM') $$;

-- How a month stands: attached, detaching (begun and not finished) or kept (a table of its own); NULL where there is none.
CREATE FUNCTION sojourn.month_state(p_day date) RETURNS text
    LANGUAGE sql STABLE
    AS $$
        SELECT CASE WHEN i.inhrelid IS NULL THEN 'kept' WHEN i.inhdetachpending THEN 'detaching' ELSE 'attached' END
        FROM to_regclass('sojourn.' || sojourn.month_table(p_day)) AS t (month)
        LEFT JOIN pg_inherits AS i ON i.inhrelid = t.month AND i.inhparent = 'sojourn.conversations'::regclass
        WHERE t.month IS NOT NULL
    $$;

-- Keeps others from changing a month until the transaction's end. Nobody waits for it (SQLSTATE 55P03 instead): who waited would
-- have a snapshot, and detaching waits for every snapshot older than its own.
CREATE FUNCTION sojourn.hold_months() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('sojourn'), hashtext('partitions')) THEN
        RAISE EXCEPTION 'somebody else changes a month' USING ERRCODE = 'lock_not_available';
    END IF;
END $$;

-- Makes the month that a day lies in, or takes a kept one back; false where it is there. A new one is made beside the others
-- and attached without a foreign key of its own, so that readers are not blocked; a kept one has a key, and to attach it
-- blocks readers of session_master for milliseconds. The caller tries again where the lock was not to be had (SQLSTATE 55P03).
-- SECURITY DEFINER, since a table is its maker's: the months belong to the owner of all, whoever of the role calls this.
CREATE FUNCTION sojourn.add_month(p_day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
DECLARE
    v_first CONSTANT date := date_trunc('month', p_day::timestamp)::date;
    v_next  CONSTANT date := (v_first + interval '1 month')::date;
    v_name  CONSTANT text := sojourn.month_table(v_first);
    v_from  CONSTANT text := to_char(v_first, 'YYYY-MM-DD') || ' 00:00:00+00';
    v_to    CONSTANT text := to_char(v_next, 'YYYY-MM-DD') || ' 00:00:00+00';
    v_state text;
    v_whole boolean;
BEGIN
    PERFORM sojourn.hold_months();
    v_state := sojourn.month_state(v_first);
    IF v_state = 'attached' THEN
        -- Somebody may have made it by hand, from midnight to midnight of another time zone. One that was detached this moment
        -- has no bounds any more, and is taken back when the caller comes again.
        EXECUTE format(
            'SELECT bool_and(%s) FROM (VALUES (%L::timestamptz), (%L::timestamptz - interval ''1 microsecond'')) '
            'AS ends (conversation_time)',
            coalesce(pg_get_partition_constraintdef(to_regclass('sojourn.' || v_name)), 'true'), v_from, v_to)
            INTO v_whole;
        IF NOT v_whole THEN
            RAISE EXCEPTION '% does not span its whole month (UTC)', v_name
                USING ERRCODE = 'invalid_object_definition', TABLE = v_name,
                HINT = 'Detach and rename it, make the months of its turns, and insert them into sojourn.conversations.';
        END IF;
        RETURN false;
    END IF;
    IF v_state = 'detaching' THEN
        RAISE EXCEPTION 'the month % is being detached', v_name USING ERRCODE = 'lock_not_available';
    END IF;
    IF v_state IS NULL THEN
        -- The check tells PostgreSQL that no row needs to be looked at when the table is attached.
        EXECUTE format(
            'CREATE TABLE sojourn.%1$I (LIKE sojourn.conversations INCLUDING ALL, '
            'CONSTRAINT %2$I CHECK (conversation_time >= %3$L AND conversation_time < %4$L))',
            v_name, v_name || '_month', v_from, v_to);
    ELSE
        -- Its foreign key becomes a part of the whole table's. Taken at once: to begin with the weaker lock that attaching takes
        -- first would end in a deadlock with every append.
        LOCK TABLE sojourn.session_master IN ACCESS EXCLUSIVE MODE;
    END IF;
    EXECUTE format(
        'ALTER TABLE sojourn.conversations ATTACH PARTITION sojourn.%I FOR VALUES FROM (%L) TO (%L)',
        v_name, v_from, v_to);
    RETURN true;
END $$;

-- Before a month is detached it gets a foreign key of its own, unchecked at first so that nobody waits for a scan. Between the
-- two halves of DETACH … CONCURRENTLY the cascade of `conversations` does not reach the month any more: without this, the
-- turns of a session deleted meanwhile would stay behind.
CREATE FUNCTION sojourn.secure_month(p_day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
DECLARE
    v_name CONSTANT text := sojourn.month_table(p_day);
BEGIN
    PERFORM sojourn.hold_months();
    IF sojourn.month_state(p_day) IS DISTINCT FROM 'attached' OR EXISTS (
        SELECT 1 FROM pg_constraint
        WHERE conrelid = to_regclass('sojourn.' || v_name) AND contype = 'f' AND conparentid = 0
    ) THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'ALTER TABLE sojourn.%1$I ADD CONSTRAINT %2$I FOREIGN KEY (session_id) '
        'REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE NOT VALID', v_name, v_name || '_session');
    RETURN true;
END $$;

-- Checks the month's own foreign key, which blocks neither readers nor writers, however long it takes.
CREATE FUNCTION sojourn.check_month(p_day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
DECLARE
    v_name CONSTANT text := sojourn.month_table(p_day);
    v_key  text;
BEGIN
    SELECT conname INTO v_key FROM pg_constraint
    WHERE conrelid = to_regclass('sojourn.' || v_name) AND contype = 'f' AND NOT convalidated;
    IF v_key IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE sojourn.%I VALIDATE CONSTRAINT %I', v_name, v_key);
    RETURN true;
END $$;

-- Finishes what DETACH … CONCURRENTLY began and could not end.
CREATE FUNCTION sojourn.finish_detach(p_day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
BEGIN
    PERFORM sojourn.hold_months();
    IF sojourn.month_state(p_day) IS DISTINCT FROM 'detaching' THEN
        RETURN false;
    END IF;
    EXECUTE format(
        'ALTER TABLE sojourn.conversations DETACH PARTITION sojourn.%I FINALIZE', sojourn.month_table(p_day));
    RETURN true;
END $$;

-- Empties a kept month, so that dropping it takes no time.
CREATE FUNCTION sojourn.empty_month(p_day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
BEGIN
    PERFORM sojourn.hold_months();
    IF sojourn.month_state(p_day) IS DISTINCT FROM 'kept' THEN
        RETURN false;
    END IF;
    EXECUTE format('TRUNCATE sojourn.%I', sojourn.month_table(p_day));
    RETURN true;
END $$;

-- Drops a kept month.
CREATE FUNCTION sojourn.drop_month(p_day date) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
BEGIN
    PERFORM sojourn.hold_months();
    IF sojourn.month_state(p_day) IS DISTINCT FROM 'kept' THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE sojourn.%I', sojourn.month_table(p_day));
    RETURN true;
END $$;

-- Whether the caller's transaction is the one that keeps the partitions.
CREATE FUNCTION sojourn.lead_partitions() RETURNS boolean
    LANGUAGE sql VOLATILE
    AS $$ SELECT pg_try_advisory_xact_lock(hashtext('sojourn'), hashtext('lead partitions')) $$;

-- This month and three ahead.
DO $$
BEGIN
    PERFORM sojourn.add_month(((sojourn.clock() AT TIME ZONE 'UTC')::date + make_interval(months => ahead))::date)
    FROM generate_series(0, 3) AS ahead;
END $$;

-- The turns of the last seven days (J7).
CREATE MATERIALIZED VIEW sojourn.recent_conversations AS
    SELECT id, session_id, user_id, conversation_time, seq, input_text, response_text, extra
    FROM sojourn.conversations
    -- Asked for once, so that only the months after it are read.
    WHERE conversation_time > (SELECT sojourn.clock() - interval '7 days');

CREATE UNIQUE INDEX recent_conversations_id ON sojourn.recent_conversations (id, conversation_time);
CREATE INDEX recent_conversations_time ON sojourn.recent_conversations (conversation_time);

-- When each chore was last done, by whichever node.
CREATE TABLE sojourn.chores (
    chore   text        NOT NULL PRIMARY KEY,
    done_at timestamptz NOT NULL
);

INSERT INTO sojourn.chores (chore, done_at)
VALUES ('refresh recent_conversations', '-infinity'), ('clean conversations_search', '-infinity');

-- Whether a chore is due, in which case the caller's transaction does it. A clock that went back makes it due.
CREATE FUNCTION sojourn.take_chore(p_chore text, p_every interval) RETURNS boolean
    LANGUAGE sql VOLATILE
    AS $$
        WITH taken AS (
            UPDATE sojourn.chores AS c
            SET done_at = t.at
            FROM (SELECT sojourn.clock() AS at) AS t
            WHERE c.chore = p_chore AND (c.done_at <= t.at - p_every OR c.done_at > t.at)
            RETURNING 1
        )
        SELECT EXISTS (SELECT 1 FROM taken)
    $$;

-- Brings `recent_conversations` up to date where five minutes are over, and blocks no reader. It waits for an autovacuum of the
-- view, which gives way after deadlock_timeout, a second.
CREATE FUNCTION sojourn.refresh_recent_conversations() RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
    AS $$
BEGIN
    IF NOT sojourn.take_chore('refresh recent_conversations', interval '5 minutes') THEN
        RETURN false;
    END IF;
    IF (SELECT relispopulated FROM pg_class WHERE oid = 'sojourn.recent_conversations'::regclass) THEN
        REFRESH MATERIALIZED VIEW CONCURRENTLY sojourn.recent_conversations;
    ELSE
        REFRESH MATERIALIZED VIEW sojourn.recent_conversations;
    END IF;
    RETURN true;
END $$;

-- Moves what was written lately into the search indexes' trees, where a minute is over: searches read the rest one by one.
CREATE FUNCTION sojourn.clean_search_indexes() RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    IF NOT sojourn.take_chore('clean conversations_search', interval '1 minute') THEN
        RETURN false;
    END IF;
    PERFORM gin_clean_pending_list(i.inhrelid)
    FROM pg_inherits AS i
    WHERE i.inhparent = to_regclass('sojourn.conversations_search');
    RETURN true;
END $$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sojourn FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sojourn_app') THEN
        RETURN;
    END IF;
    GRANT SELECT (interaction_count, recommendation_count, feedback_count, first_at, last_at)
        ON sojourn.session_master TO sojourn_app;
    GRANT SELECT ON sojourn.conversations, sojourn.user_interactions, sojourn.recommendations_log, sojourn.user_feedback,
        sojourn.recent_conversations TO sojourn_app;
    GRANT INSERT (id, session_id, user_id, conversation_time, input_text, response_text, extra),
        UPDATE (response_text, extra) ON sojourn.conversations TO sojourn_app;
    GRANT INSERT (id, session_id, user_id, created_at, interaction_type, data) ON sojourn.user_interactions TO sojourn_app;
    GRANT INSERT (id, session_id, user_id, created_at, shop_id, recommendations, recommendation_count)
        ON sojourn.recommendations_log TO sojourn_app;
    GRANT INSERT (id, session_id, user_id, created_at, feedback_type, feedback_target_type, feedback_target_id, rating, comment)
        ON sojourn.user_feedback TO sojourn_app;
    GRANT EXECUTE ON FUNCTION sojourn.search_key(text), sojourn.turn_text(text, text), sojourn.search_pattern(text)
        TO sojourn_app;
END $$;
