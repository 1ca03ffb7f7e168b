-- SPDX-License-Identifier: Apache-2.0
-- The months of `conversations` (J5), in UTC, each a table `conversations_YYYY_MM`.

-- Makes the month that a day lies in, or takes a kept one back; false where it is there. Nobody waits longer than
-- milliseconds for it: the table is made beside the others and attached under a lock timeout of 50 ms, without a foreign key
-- of its own, so that readers are never blocked. The caller tries again where the lock was not to be had (SQLSTATE 55P03).
CREATE FUNCTION sojourn.add_month(p_day date) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms'
    AS $$
DECLARE
    v_first CONSTANT date := date_trunc('month', p_day::timestamp)::date;
    v_next  CONSTANT date := (v_first + interval '1 month')::date;
    v_name  CONSTANT text := 'conversations_' || to_char(v_first, 'YYYY_MM');
    v_from  CONSTANT text := to_char(v_first, 'YYYY-MM-DD') || ' 00:00:00+00';
    v_to    CONSTANT text := to_char(v_next, 'YYYY-MM-DD') || ' 00:00:00+00';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sojourn'), hashtext('partitions'));
    IF EXISTS (
        SELECT 1 FROM pg_inherits
        WHERE inhparent = 'sojourn.conversations'::regclass AND inhrelid = to_regclass('sojourn.' || v_name)
    ) THEN
        RETURN false;
    END IF;
    IF to_regclass('sojourn.' || v_name) IS NULL THEN
        -- The check tells PostgreSQL that no row needs to be looked at when the table is attached.
        EXECUTE format(
            'CREATE TABLE sojourn.%1$I (LIKE sojourn.conversations INCLUDING ALL, '
            'CONSTRAINT %2$I CHECK (conversation_time >= %3$L AND conversation_time < %4$L))',
            v_name, v_name || '_month', v_from, v_to);
    END IF;
    EXECUTE format(
        'ALTER TABLE sojourn.conversations ATTACH PARTITION sojourn.%I FOR VALUES FROM (%L) TO (%L)',
        v_name, v_from, v_to);
    RETURN true;
END $$;

-- This month and three ahead.
DO $$
BEGIN
    PERFORM sojourn.add_month(((sojourn.clock() AT TIME ZONE 'UTC')::date + make_interval(months => ahead))::date)
    FROM generate_series(0, 3) AS ahead;
END $$;

-- The turns of the last seven days (J7). The sweep's leader refreshes it every five minutes, and blocks no reader.
CREATE MATERIALIZED VIEW sojourn.recent_conversations AS
    SELECT id, session_id, user_id, conversation_time, seq, input_text, response_text, extra
    FROM sojourn.conversations
    WHERE conversation_time > sojourn.clock() - interval '7 days';

CREATE UNIQUE INDEX recent_conversations_id ON sojourn.recent_conversations (id, conversation_time);
CREATE INDEX recent_conversations_time ON sojourn.recent_conversations (conversation_time);

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
    GRANT EXECUTE ON FUNCTION sojourn.turn_text(text, text), sojourn.search_pattern(text) TO sojourn_app;
END $$;
