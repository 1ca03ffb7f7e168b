-- SPDX-License-Identifier: Apache-2.0
-- Adoption (J9): tables of others, whose session ids were loose until now, hang on session_master.

-- How far each adoption has come. The table is named as SQL names it, its schema first.
CREATE TABLE sojourn.adoptions (
    table_name    text        NOT NULL PRIMARY KEY,
    kind          text        NOT NULL CHECK (kind IN ('conversations', 'interactions', 'recommendations', 'feedback')),
    session_type  text        NOT NULL CHECK (session_type IN ('chat', 'voice', 'api', 'web', 'test', 'admin')),
    -- Where the table's clocks stand whose times are without a zone.
    time_zone     text        NOT NULL,
    -- 'filling': sessions are begun for ids that have none. 'closing': the foreign key stands for new rows, and the ids that
    -- came in before it did are gone through once more. 'adopted': it is validated.
    state         text        NOT NULL CHECK (state IN ('filling', 'closing', 'adopted')),
    -- The last session id that was looked at in this state; NULL before the first.
    after_id      uuid,
    -- How many ids were looked at in this state, and how many sessions were begun in all.
    sessions_seen bigint      NOT NULL DEFAULT 0,
    sessions_made bigint      NOT NULL DEFAULT 0,
    started_at    timestamptz NOT NULL DEFAULT sojourn.clock(),
    changed_at    timestamptz NOT NULL DEFAULT sojourn.clock(),
    adopted_at    timestamptz
);

-- The next ids of a table, in their order: begins a session for each that has none, and moves the table's adoption on. One
-- session an id, whoever wrote under it: its user is the last that is named, so that a visitor who signed in is one. It lived
-- from its first row to its last, and for 24 hours from there.
CREATE FUNCTION sojourn.adopt_batch(p_table text, p_rows integer, OUT seen integer, OUT made integer)
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    -- A batch looks up what it names by its index, and reads no table from end to end, however large or unknown that is.
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    AS $$
DECLARE
    v_at       CONSTANT timestamptz := sojourn.clock();
    v_table    CONSTANT regclass := p_table::regclass;
    v_adoption sojourn.adoptions;
    v_time     text;
    v_user     text := 'NULL::text';
    v_to       uuid;
    v_ids      uuid[];
    v_users    text[];
    v_firsts   timestamptz[];
    v_lasts    timestamptz[];
BEGIN
    -- Two who adopt the same table take turns.
    SELECT * INTO STRICT v_adoption FROM sojourn.adoptions WHERE table_name = p_table FOR UPDATE;
    v_time := CASE v_adoption.kind WHEN 'conversations' THEN 't.conversation_time' ELSE 't.created_at' END;
    IF EXISTS (
        SELECT 1 FROM pg_attribute AS a
        JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = v_table AND 't.' || a.attname = v_time AND 'timestamp'::regtype IN (t.oid, t.typbasetype)
    ) THEN
        v_time := format('(%s AT TIME ZONE %L)', v_time, v_adoption.time_zone);
    END IF;
    IF EXISTS (SELECT 1 FROM pg_attribute WHERE attrelid = v_table AND attname = 'user_id' AND NOT attisdropped) THEN
        v_user := 'nullif(t.user_id::text, '''')';
    END IF;

    EXECUTE format(
        $sql$
            -- From id to id by the index: DISTINCT would sort all that follow, where the table was never analysed.
            WITH RECURSIVE walk AS (
                (SELECT t.session_id AS id FROM %1$s AS t WHERE t.session_id %2$s ORDER BY t.session_id LIMIT 1)
                UNION ALL
                SELECT (
                    SELECT t.session_id FROM %1$s AS t WHERE t.session_id > walk.id ORDER BY t.session_id LIMIT 1)
                FROM walk
                WHERE walk.id IS NOT NULL
            ), ids AS (
                SELECT id FROM (SELECT id FROM walk LIMIT $2) AS batch WHERE id IS NOT NULL
            ), spans AS (
                SELECT ids.id, span.*
                FROM ids
                CROSS JOIN LATERAL (
                    SELECT (array_agg(%4$s ORDER BY %3$s DESC, %4$s) FILTER (WHERE %4$s IS NOT NULL))[1] AS user_id,
                        -- A row without a time came in after the check: now.
                        least(coalesce(min(%3$s) FILTER (WHERE isfinite(%3$s)), $3), $3) AS first,
                        least(coalesce(max(%3$s) FILTER (WHERE isfinite(%3$s)), $3), $3) AS last
                    FROM %1$s AS t
                    WHERE t.session_id = ids.id) AS span
                WHERE NOT EXISTS (SELECT 1 FROM sojourn.session_master AS s WHERE s.session_id = ids.id)
            )
            SELECT (SELECT count(*) FROM ids), (SELECT id FROM ids ORDER BY id DESC LIMIT 1),
                array_agg(id ORDER BY id), array_agg(user_id ORDER BY id), array_agg(first ORDER BY id),
                array_agg(last ORDER BY id)
            FROM spans
        $sql$,
        v_table, CASE WHEN v_adoption.after_id IS NULL THEN 'IS NOT NULL' ELSE '> $1' END, v_time, v_user)
    INTO seen, v_to, v_ids, v_users, v_firsts, v_lasts
    USING v_adoption.after_id, p_rows, v_at;

    -- Users before sessions, each in the order of their ids, as everybody takes them.
    INSERT INTO sojourn.users (user_id)
    SELECT DISTINCT u.user_id FROM unnest(v_users) AS u (user_id)
    WHERE u.user_id IS NOT NULL
    ORDER BY u.user_id
    ON CONFLICT (user_id) DO NOTHING;

    -- An epoch raised meanwhile waits, and then finds these sessions.
    PERFORM 1 FROM sojourn.users WHERE user_id = ANY (v_users) ORDER BY user_id FOR SHARE;

    WITH begun AS (
        INSERT INTO sojourn.session_master
            (session_id, user_id, epoch, user_epoch, session_type, session_start, last_activity, expires_at,
            session_end, end_reason, fact_count, created_by, session_metadata)
        SELECT a.id, a.user_id, u.epoch, coalesce(u.epoch, 0), v_adoption.session_type, a.first, a.last, a.over,
            CASE WHEN a.over <= v_at THEN a.over END, CASE WHEN a.over <= v_at THEN 'expired' END,
            CASE WHEN a.over <= v_at THEN 2 ELSE 1 END, 'cli', jsonb_build_object('adopted_from', p_table)
        FROM (
            SELECT id, user_id, first, last, last + interval '24 hours' AS over
            FROM unnest(v_ids, v_users, v_firsts, v_lasts) AS span (id, user_id, first, last)) AS a
        LEFT JOIN sojourn.users AS u ON u.user_id = a.user_id
        ORDER BY a.id
        ON CONFLICT (session_id) DO NOTHING
        RETURNING session_id, session_end
    ), noted AS (
        INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor)
        SELECT session_id, 2, session_end, 'expired', 'cli' FROM begun
        WHERE session_end IS NOT NULL
    )
    SELECT count(*) INTO made FROM begun;

    UPDATE sojourn.adoptions
    SET after_id = coalesce(v_to, after_id), sessions_seen = sessions_seen + seen, sessions_made = sessions_made + made,
        changed_at = v_at
    WHERE table_name = p_table;
END $$;

REVOKE ALL ON FUNCTION sojourn.adopt_batch(text, integer) FROM PUBLIC;
