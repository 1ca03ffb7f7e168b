-- SPDX-License-Identifier: Apache-2.0
-- Sessions, users, items and facts. Run once, in one transaction, by `sojourn init` or a starting server.
-- Names are those of the requirements (C1, J1, J6); every statement of ours names the schema.

-- The one clock of this database: what sessions are decided by. A test may replace it.
CREATE FUNCTION sojourn.clock() RETURNS timestamptz
    LANGUAGE sql VOLATILE PARALLEL SAFE
    AS $$ SELECT clock_timestamp() $$;

-- Users (C1). A user known from a session only is a stub: its name is NULL.
CREATE TABLE sojourn.users (
    user_id         text        NOT NULL PRIMARY KEY CHECK (char_length(user_id) BETWEEN 1 AND 50),
    name            text,
    gender          text        CHECK (gender IN ('M', 'F')),
    age             integer     CHECK (age BETWEEN 0 AND 150),
    age_group       text,
    region          text,
    join_date       date        NOT NULL DEFAULT CURRENT_DATE,
    last_cached_at  timestamptz,
    created_at      timestamptz NOT NULL DEFAULT sojourn.clock(),
    -- Raising this one number ends all of the user's sessions (S6).
    epoch           bigint      NOT NULL DEFAULT 0,
    epoch_raised_at timestamptz,
    epoch_raised_by text        CHECK (epoch_raised_by IN ('token', 'service', 'sql', 'cli', 'sweep', 'cap'))
);

-- Sessions (J1): the one table that everything else hangs on. A fifth of each page is left free, and no index covers what a
-- validation changes, so that it rewrites one row on its own page and no index (HOT).
CREATE TABLE sojourn.session_master (
    session_id          uuid        NOT NULL PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id             text        REFERENCES sojourn.users (user_id) ON DELETE CASCADE,
    -- The user's epoch when the session began or was bound; NULL until the trigger below fills it.
    epoch               bigint,
    -- The user's epoch now: a copy that the trigger on users keeps, so that a validation decides on its own row alone.
    user_epoch          bigint      NOT NULL DEFAULT 0,
    session_type        text        NOT NULL DEFAULT 'web'
        CHECK (session_type IN ('chat', 'voice', 'api', 'web', 'test', 'admin')),
    renewal             text        NOT NULL DEFAULT 'onWrite' CHECK (renewal IN ('fixed', 'onWrite', 'onAccess')),
    ttl_seconds         integer     NOT NULL DEFAULT 86400 CHECK (ttl_seconds > 0),
    session_start       timestamptz NOT NULL DEFAULT sojourn.clock(),
    last_activity       timestamptz NOT NULL DEFAULT sojourn.clock(),
    expires_at          timestamptz NOT NULL DEFAULT sojourn.clock() + interval '24 hours',
    absolute_expires_at timestamptz,
    session_end         timestamptz,
    end_reason          text        CHECK (end_reason IN ('logout', 'ended', 'expired', 'inactive', 'revoked', 'cap')),
    request_count       bigint      NOT NULL DEFAULT 0,
    turn_count          bigint      NOT NULL DEFAULT 0,
    -- How many facts were noted, its creation and those dropped since included.
    fact_count          integer     NOT NULL DEFAULT 1,
    created_by          text        NOT NULL DEFAULT 'sql'
        CHECK (created_by IN ('token', 'service', 'sql', 'cli', 'sweep', 'cap')),
    version             bigint      NOT NULL DEFAULT 1,
    secret_digest       bytea       CHECK (octet_length(secret_digest) = 32),
    previous_digest     bytea,
    previous_until      timestamptz,
    successor_sealed    bytea,
    ip_address          inet,
    user_agent          text        CHECK (char_length(user_agent) <= 512),
    session_metadata    jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(session_metadata) = 'object'),
    session_claims      jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(session_claims) = 'object'),
    is_active           boolean     GENERATED ALWAYS AS (session_end IS NULL) STORED,
    expiry_hour         integer     GENERATED ALWAYS AS
        (floor(extract(epoch FROM (least(expires_at, absolute_expires_at) AT TIME ZONE 'UTC')) / 3600)::integer) STORED,
    CHECK ((session_end IS NULL) = (end_reason IS NULL))
) WITH (fillfactor = 75);

-- The only index over time: an hour changes rarely, an expiry often.
CREATE INDEX session_expiry_hour ON sojourn.session_master (expiry_hour, session_id) WHERE session_end IS NULL;
CREATE INDEX session_ended ON sojourn.session_master (session_type, session_end) WHERE session_end IS NOT NULL;
CREATE INDEX session_by_user ON sojourn.session_master (user_id, session_id) WHERE user_id IS NOT NULL;
CREATE INDEX session_by_user_live ON sojourn.session_master (user_id, session_id)
    WHERE session_end IS NULL AND user_id IS NOT NULL;
-- Sessions that a raised epoch has ended and no sweep has marked.
CREATE INDEX session_revoked ON sojourn.session_master (session_id)
    WHERE session_end IS NULL AND coalesce(epoch, 0) <> user_epoch;
-- Sealed successors whose grace a sweep erases.
CREATE INDEX session_grace ON sojourn.session_master (previous_until) WHERE previous_until IS NOT NULL;

-- What happened to a session: numbered from 2 without gaps, the oldest dropped past 64. The first fact, its creation, is
-- `session_start` and `created_by` of its own row: beginning a session is one row.
CREATE TABLE sojourn.session_facts (
    session_id uuid        NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    n          integer     NOT NULL,
    at         timestamptz NOT NULL,
    kind       text        NOT NULL
        CHECK (kind IN ('created', 'rotated', 'bound', 'extended', 'ended', 'expired', 'swept')),
    actor      text        NOT NULL CHECK (actor IN ('token', 'service', 'sql', 'cli', 'sweep', 'cap')),
    detail     text,
    PRIMARY KEY (session_id, n)
);

CREATE FUNCTION sojourn.drop_oldest_facts() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    DELETE FROM sojourn.session_facts WHERE session_id = NEW.session_id AND n <= NEW.n - 64;
    RETURN NULL;
END $$;

CREATE TRIGGER drop_oldest_facts AFTER INSERT ON sojourn.session_facts
    FOR EACH ROW WHEN (NEW.n > 64) EXECUTE FUNCTION sojourn.drop_oldest_facts();

-- The catalogue (I1). search_key is the name in lower case and composed form (NFC); byte order, so that a prefix is a range.
CREATE TABLE sojourn.items (
    item_id    bigint NOT NULL PRIMARY KEY CHECK (item_id BETWEEN 1 AND 9007199254740991),
    name       text   NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    category   text   CHECK (char_length(category) <= 100),
    search_key text   COLLATE "C" NOT NULL
);

CREATE INDEX items_search_key ON sojourn.items (search_key, item_id);

CREATE TABLE sojourn.session_items (
    session_id uuid        NOT NULL REFERENCES sojourn.session_master (session_id) ON DELETE CASCADE,
    item_id    bigint      NOT NULL REFERENCES sojourn.items (item_id),
    added_at   timestamptz NOT NULL DEFAULT sojourn.clock(),
    PRIMARY KEY (session_id, item_id)
);

CREATE INDEX session_items_item ON sojourn.session_items (item_id);

-- Plain inserts of catalogue rows need not know how names are searched.
CREATE FUNCTION sojourn.fill_search_key() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
    AS $$ BEGIN NEW.search_key := lower(normalize(NEW.name, NFC)); RETURN NEW; END $$;

CREATE TRIGGER fill_search_key BEFORE INSERT ON sojourn.items
    FOR EACH ROW WHEN (NEW.search_key IS NULL) EXECUTE FUNCTION sojourn.fill_search_key();

-- Plain inserts of a user's session: registers the user and stamps the epoch. Our own inserts bring both.
CREATE FUNCTION sojourn.stamp_epoch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    INSERT INTO sojourn.users (user_id) VALUES (NEW.user_id) ON CONFLICT DO NOTHING;
    -- Held to the end of the transaction: an epoch raised meanwhile waits, and then finds this session.
    SELECT epoch, epoch INTO NEW.epoch, NEW.user_epoch FROM sojourn.users WHERE user_id = NEW.user_id FOR SHARE;
    RETURN NEW;
END $$;

CREATE TRIGGER stamp_epoch BEFORE INSERT ON sojourn.session_master
    FOR EACH ROW WHEN (NEW.user_id IS NOT NULL AND NEW.epoch IS NULL) EXECUTE FUNCTION sojourn.stamp_epoch();

-- A raised epoch, whoever raised it, reaches the sessions that it ends within the same transaction: nothing that
-- validates beside it can miss it.
CREATE FUNCTION sojourn.spread_epoch() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE sojourn.session_master SET user_epoch = NEW.epoch WHERE user_id = NEW.user_id AND session_end IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER spread_epoch AFTER UPDATE OF epoch ON sojourn.users
    FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION sojourn.spread_epoch();
