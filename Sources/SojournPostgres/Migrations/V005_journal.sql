-- SPDX-License-Identifier: Apache-2.0
-- The journal (J1–J5, J7): what happened in sessions. Turns stand in one table a month, the other three kinds in one each.

-- How many entries a session was given, by kind, and the span of time that its turns lie in: where "the last N" are sought.
ALTER TABLE sojourn.session_master
    ADD COLUMN interaction_count    bigint NOT NULL DEFAULT 0,
    ADD COLUMN recommendation_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN feedback_count       bigint NOT NULL DEFAULT 0,
    ADD COLUMN first_at             timestamptz,
    ADD COLUMN last_at              timestamptz;

-- user_id is a copy made when the entry was written. seq numbers a session's entries of one kind from 1.
CREATE TABLE sojourn.conversations (
    id                uuid        NOT NULL DEFAULT gen_random_uuid(),
    session_id        uuid        NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    user_id           text,
    conversation_time timestamptz NOT NULL DEFAULT sojourn.clock(),
    seq               bigint      NOT NULL,
    input_text        text        NOT NULL,
    response_text     text,
    extra             jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(extra) = 'object'),
    PRIMARY KEY (id, conversation_time)
) PARTITION BY RANGE (conversation_time);

CREATE INDEX conversations_session ON sojourn.conversations (session_id, conversation_time, id);
CREATE INDEX conversations_user ON sojourn.conversations (user_id, conversation_time, id) WHERE user_id IS NOT NULL;

CREATE TABLE sojourn.user_interactions (
    id               uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id       uuid        NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    user_id          text,
    created_at       timestamptz NOT NULL DEFAULT sojourn.clock() CHECK (isfinite(created_at)),
    seq              bigint      NOT NULL,
    interaction_type text        NOT NULL,
    data             jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object')
);

CREATE INDEX user_interactions_session ON sojourn.user_interactions (session_id, created_at, id);
CREATE INDEX user_interactions_user ON sojourn.user_interactions (user_id, created_at, id) WHERE user_id IS NOT NULL;

CREATE TABLE sojourn.recommendations_log (
    id                   uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id           uuid        NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    user_id              text,
    created_at           timestamptz NOT NULL DEFAULT sojourn.clock() CHECK (isfinite(created_at)),
    seq                  bigint      NOT NULL,
    shop_id              text,
    recommendations      jsonb       NOT NULL CHECK (jsonb_typeof(recommendations) = 'array'),
    recommendation_count integer     NOT NULL CHECK (recommendation_count >= 0)
);

CREATE INDEX recommendations_log_session ON sojourn.recommendations_log (session_id, created_at, id);
CREATE INDEX recommendations_log_user ON sojourn.recommendations_log (user_id, created_at, id) WHERE user_id IS NOT NULL;

CREATE TABLE sojourn.user_feedback (
    id                   uuid             NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    session_id           uuid             NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    user_id              text,
    created_at           timestamptz      NOT NULL DEFAULT sojourn.clock() CHECK (isfinite(created_at)),
    seq                  bigint           NOT NULL,
    feedback_type        text             NOT NULL,
    feedback_target_type text,
    feedback_target_id   text,
    rating               double precision,
    comment              text
);

CREATE INDEX user_feedback_session ON sojourn.user_feedback (session_id, created_at, id);
CREATE INDEX user_feedback_user ON sojourn.user_feedback (user_id, created_at, id) WHERE user_id IS NOT NULL;

-- The first answer to a client's key, kept for 24 hours: which entries, and how their open turns were.
CREATE TABLE sojourn.idempotency_keys (
    scope       bytea       NOT NULL PRIMARY KEY,
    body_digest bytea       NOT NULL,
    session_id  uuid        NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    answer      jsonb       NOT NULL
);

CREATE INDEX idempotency_keys_session ON sojourn.idempotency_keys (session_id);
CREATE INDEX idempotency_keys_created ON sojourn.idempotency_keys (created_at);

-- Plain inserts (J6) need name a session and what happened: this numbers the entry in its session, gives it the session's
-- user, and counts as activity. Our own inserts bring the number.
CREATE FUNCTION sojourn.place_entry() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    v_kind CONSTANT text := TG_ARGV[0];
    v_at   CONSTANT timestamptz := sojourn.clock();
    v_time timestamptz;
BEGIN
    IF v_kind = 'conversations' THEN v_time := NEW.conversation_time; END IF;
    UPDATE sojourn.session_master AS s
    SET turn_count = s.turn_count + CASE v_kind WHEN 'conversations' THEN 1 ELSE 0 END,
        interaction_count = s.interaction_count + CASE v_kind WHEN 'interactions' THEN 1 ELSE 0 END,
        recommendation_count = s.recommendation_count + CASE v_kind WHEN 'recommendations' THEN 1 ELSE 0 END,
        feedback_count = s.feedback_count + CASE v_kind WHEN 'feedback' THEN 1 ELSE 0 END,
        first_at = least(s.first_at, v_time),
        last_at = greatest(s.last_at, v_time),
        last_activity = CASE WHEN sojourn.session_live(s, v_at) THEN greatest(s.last_activity, v_at) ELSE s.last_activity END,
        expires_at = CASE WHEN s.renewal <> 'fixed' AND sojourn.session_live(s, v_at)
            THEN sojourn.session_renewed(s, v_at) ELSE s.expires_at END
    WHERE s.session_id = NEW.session_id
    RETURNING coalesce(NEW.user_id, s.user_id),
        CASE v_kind WHEN 'conversations' THEN s.turn_count WHEN 'interactions' THEN s.interaction_count
            WHEN 'recommendations' THEN s.recommendation_count ELSE s.feedback_count END
    INTO NEW.user_id, NEW.seq;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'session_id: there is no session %', coalesce(NEW.session_id::text, 'NULL')
            USING ERRCODE = 'foreign_key_violation', HINT = 'sojourn.start_session() begins one and returns its id.';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER place_entry BEFORE INSERT ON sojourn.conversations
    FOR EACH ROW WHEN (NEW.seq IS NULL) EXECUTE FUNCTION sojourn.place_entry('conversations');
CREATE TRIGGER place_entry BEFORE INSERT ON sojourn.user_interactions
    FOR EACH ROW WHEN (NEW.seq IS NULL) EXECUTE FUNCTION sojourn.place_entry('interactions');
CREATE TRIGGER place_entry BEFORE INSERT ON sojourn.recommendations_log
    FOR EACH ROW WHEN (NEW.seq IS NULL) EXECUTE FUNCTION sojourn.place_entry('recommendations');
CREATE TRIGGER place_entry BEFORE INSERT ON sojourn.user_feedback
    FOR EACH ROW WHEN (NEW.seq IS NULL) EXECUTE FUNCTION sojourn.place_entry('feedback');

-- A plain insert may leave the count to us.
CREATE FUNCTION sojourn.count_recommendations() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$ BEGIN NEW.recommendation_count := jsonb_array_length(NEW.recommendations); RETURN NEW; END $$;

CREATE TRIGGER count_recommendations BEFORE INSERT ON sojourn.recommendations_log
    FOR EACH ROW WHEN (NEW.recommendation_count IS NULL AND jsonb_typeof(NEW.recommendations) = 'array')
    EXECUTE FUNCTION sojourn.count_recommendations();

-- A text as searches compare it: in lower case and composed form (NFC), whatever the database's locale, and with one small
-- sigma. What is ASCII alone, and so as long in bytes as in characters, is composed already: that is most of the cost.
CREATE FUNCTION sojourn.search_key(text text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT CASE WHEN octet_length(text) = char_length(text) THEN lower(text COLLATE "C") COLLATE "und-x-icu"
            ELSE replace(lower(normalize(text, NFC) COLLATE "und-x-icu"), 'ς', 'σ') END
    $$;

-- What a search looks through: input and response, and between them a character that no search holds.
CREATE FUNCTION sojourn.turn_text(input text, response text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$ SELECT sojourn.search_key(input) || chr(31) || sojourn.search_key(coalesce(response, '')) $$;

-- The pattern that finds a text anywhere in `turn_text`.
CREATE FUNCTION sojourn.search_pattern(sought text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $$
        SELECT '%' || replace(replace(replace(
            sojourn.search_key(replace(sought, chr(31), '')), '\', '\\'), '%', '\%'), '_', '\_') || '%'
    $$;

-- Searches of three characters or more go by trigrams where the extension may be had; elsewhere they scan.
DO $$
DECLARE
    v_schema text;
BEGIN
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA sojourn;
    EXCEPTION WHEN insufficient_privilege OR undefined_file OR feature_not_supported THEN
        RAISE NOTICE 'pg_trgm was not made: searches of the journal scan';
    END;
    SELECT n.nspname INTO v_schema
    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_trgm';
    IF v_schema IS NOT NULL THEN
        EXECUTE format(
            'CREATE INDEX conversations_search ON sojourn.conversations USING gin '
            '(sojourn.turn_text(input_text, response_text) %I.gin_trgm_ops)', v_schema);
    END IF;
END $$;

-- Forgets keys whose 24 hours are over.
CREATE FUNCTION sojourn.forget_keys(p_rows integer) RETURNS integer
    LANGUAGE sql VOLATILE
    AS $$
        WITH over AS (
            SELECT scope FROM sojourn.idempotency_keys
            WHERE created_at <= (SELECT sojourn.clock()) - interval '24 hours'
            ORDER BY created_at
            LIMIT p_rows
            FOR UPDATE SKIP LOCKED
        ), forgotten AS (
            DELETE FROM sojourn.idempotency_keys AS k USING over WHERE k.scope = over.scope RETURNING 1
        )
        SELECT count(*)::integer FROM forgotten
    $$;
