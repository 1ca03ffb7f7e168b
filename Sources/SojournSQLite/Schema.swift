// SPDX-License-Identifier: Apache-2.0

internal import GRDB

/// The tables, as named migrations that only go forward. Each can be pasted into `sqlite3`.
///
/// Times are whole microseconds since 1970. A validation changes `last_activity` and `request_count`, and now and then
/// `expires_at`; so no index holds the first two, and of the third only its hour (`expiry_hour`).
enum Schema {
    /// What `PRAGMA application_id` says of a file of ours: "Sjrn".
    static let applicationID: Int64 = 0x536A_726E

    /// All migrations, oldest first.
    static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        for (name, sql) in migrations {
            // Migrations here create; none rebuilds a table that others refer to, so keys stay checked all along.
            migrator.registerMigration(name, foreignKeyChecks: .immediate) { db in try db.execute(sql: sql) }
        }
        migrator.registerMigration("V006 search", foreignKeyChecks: .immediate) { db in
            try db.execute(sql: search)
            try db.indexTurns()
        }
        migrator.registerMigration("V007 tiering", foreignKeyChecks: .immediate) { db in try db.execute(sql: tiering) }
        return migrator
    }

    /// Names and statements; what was released is never edited.
    private static let migrations = [
        ("V001 sessions", sessions),
        ("V002 items", items),
        ("V003 journal", journal),
        ("V004 graces", graces),
    ]

    private static let sessions = """
        PRAGMA application_id = \(applicationID);

        -- Whoever owns sessions. Raising the epoch ends all of a user's sessions at once;
        -- the sweep writes those ends and then catches epoch_swept up.
        CREATE TABLE users (
            user_id         TEXT    NOT NULL PRIMARY KEY,
            epoch           INTEGER NOT NULL DEFAULT 0,
            epoch_raised_at INTEGER,
            epoch_raised_by TEXT,
            epoch_swept     INTEGER NOT NULL DEFAULT 0,
            created_at      INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE INDEX users_to_sweep ON users (user_id) WHERE epoch_swept < epoch;

        -- The one central table; everything else refers to it. Short columns first: SQLite reads a row from the left.
        CREATE TABLE session_master (
            session_id          BLOB    NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
            last_activity       INTEGER NOT NULL,
            request_count       INTEGER NOT NULL DEFAULT 0,
            turn_count          INTEGER NOT NULL DEFAULT 0,
            expires_at          INTEGER NOT NULL,
            absolute_expires_at INTEGER,
            session_start       INTEGER NOT NULL,
            session_end         INTEGER,
            end_reason          TEXT,
            session_type        TEXT    NOT NULL,
            renewal             TEXT    NOT NULL,
            ttl_seconds         INTEGER NOT NULL,
            version             INTEGER NOT NULL DEFAULT 1,
            epoch               INTEGER NOT NULL DEFAULT 0,
            user_id             TEXT REFERENCES users (user_id) ON DELETE CASCADE,
            secret_digest       BLOB,
            previous_digest     BLOB,
            previous_until      INTEGER,
            successor_sealed    BLOB,
            ip_address          TEXT,
            user_agent          TEXT,
            session_metadata    TEXT    NOT NULL DEFAULT '{}',
            session_claims      TEXT    NOT NULL DEFAULT '{}',
            expiry_hour         INTEGER GENERATED ALWAYS AS (expires_at / 3600000000) VIRTUAL,
            CHECK ((session_end IS NULL) = (end_reason IS NULL))
        );

        CREATE INDEX session_live        ON session_master (session_id) WHERE session_end IS NULL;
        CREATE INDEX session_expiry_hour ON session_master (expiry_hour) WHERE session_end IS NULL;
        CREATE INDEX session_ended       ON session_master (session_type, session_end) WHERE session_end IS NOT NULL;
        CREATE INDEX session_user        ON session_master (user_id, session_id) WHERE user_id IS NOT NULL;
        CREATE INDEX session_user_live   ON session_master (user_id, session_start, session_id)
            WHERE session_end IS NULL AND user_id IS NOT NULL;

        -- What happened to a session: numbered from 1 without gaps, the oldest dropped past 64,
        -- so that the lowest number left tells how many are gone.
        CREATE TABLE session_facts (
            session_id BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            n          INTEGER NOT NULL,
            at         INTEGER NOT NULL,
            kind       TEXT    NOT NULL,
            actor      TEXT    NOT NULL,
            detail     TEXT,
            PRIMARY KEY (session_id, n)
        ) WITHOUT ROWID;
        """

    private static let items = """
        -- The catalogue. search_key is the name in lower case and composed form (NFC).
        CREATE TABLE items (
            item_id    INTEGER PRIMARY KEY,
            name       TEXT NOT NULL,
            category   TEXT,
            search_key TEXT NOT NULL
        );

        CREATE INDEX items_search_key ON items (search_key, item_id);

        CREATE TABLE session_items (
            session_id BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            item_id    INTEGER NOT NULL REFERENCES items (item_id),
            added_at   INTEGER NOT NULL,
            PRIMARY KEY (session_id, item_id)
        ) WITHOUT ROWID;

        CREATE INDEX session_items_item ON session_items (item_id);
        """

    private static let journal = """
        -- user_id is a copy made when the entry was written, so that a user's history outlives a later bind.
        CREATE TABLE conversations (
            id                BLOB    NOT NULL PRIMARY KEY,
            session_id        BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            user_id           TEXT,
            conversation_time INTEGER NOT NULL,
            seq               INTEGER NOT NULL,
            input_text        TEXT    NOT NULL,
            response_text     TEXT,
            extra             TEXT    NOT NULL DEFAULT '{}'
        );

        CREATE INDEX conversations_session ON conversations (session_id, conversation_time, id);
        CREATE INDEX conversations_user ON conversations (user_id, conversation_time, id) WHERE user_id IS NOT NULL;

        CREATE TABLE user_interactions (
            id               BLOB    NOT NULL PRIMARY KEY,
            session_id       BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            user_id          TEXT,
            created_at       INTEGER NOT NULL,
            interaction_type TEXT    NOT NULL,
            data             TEXT    NOT NULL DEFAULT '{}'
        );

        CREATE INDEX user_interactions_session ON user_interactions (session_id, created_at, id);
        CREATE INDEX user_interactions_user ON user_interactions (user_id, created_at, id)
            WHERE user_id IS NOT NULL;

        CREATE TABLE recommendations_log (
            id                   BLOB    NOT NULL PRIMARY KEY,
            session_id           BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            user_id              TEXT,
            created_at           INTEGER NOT NULL,
            shop_id              TEXT,
            recommendations      TEXT    NOT NULL,
            recommendation_count INTEGER NOT NULL
        );

        CREATE INDEX recommendations_log_session ON recommendations_log (session_id, created_at, id);
        CREATE INDEX recommendations_log_user ON recommendations_log (user_id, created_at, id)
            WHERE user_id IS NOT NULL;

        CREATE TABLE user_feedback (
            id                   BLOB    NOT NULL PRIMARY KEY,
            session_id           BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            user_id              TEXT,
            created_at           INTEGER NOT NULL,
            feedback_type        TEXT    NOT NULL,
            feedback_target_type TEXT,
            feedback_target_id   TEXT,
            rating               REAL,
            comment              TEXT
        );

        CREATE INDEX user_feedback_session ON user_feedback (session_id, created_at, id);
        CREATE INDEX user_feedback_user ON user_feedback (user_id, created_at, id) WHERE user_id IS NOT NULL;

        -- The first answer to a client's key, kept for 24 hours: which entries, and how their open turns were.
        CREATE TABLE idempotency_keys (
            scope       BLOB    NOT NULL PRIMARY KEY,
            body_digest BLOB    NOT NULL,
            session_id  BLOB    NOT NULL REFERENCES session_master (session_id) ON DELETE CASCADE,
            created_at  INTEGER NOT NULL,
            answer      TEXT    NOT NULL
        );

        CREATE INDEX idempotency_keys_session ON idempotency_keys (session_id);
        CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
        """

    private static let graces = """
        -- Finds the sealed successors whose grace is over, so that the sweep erases them.
        CREATE INDEX session_grace ON session_master (previous_until) WHERE previous_until IS NOT NULL;
        """

    private static let search = """
        -- Finds the turns in which a text stands. A turn's row is numbered by its quarter of an hour times 2^24 and from
        -- there on, so that the newest are found first; text is what was said and answered, in lower case and composed
        -- form (NFC).
        CREATE VIRTUAL TABLE conversation_search USING fts5 (
            conversation_id UNINDEXED, text,
            tokenize = 'trigram case_sensitive 1', detail = none, columnsize = 0
        );

        INSERT INTO conversation_search (conversation_search, rank) VALUES ('automerge', 8);

        -- The turn's row in conversation_search: 0 while it has none, negative while that row holds what was there before
        -- a change. Whoever writes through a store sees neither: it puts both right before it commits.
        ALTER TABLE conversations ADD COLUMN search_row INTEGER NOT NULL DEFAULT 0;

        CREATE INDEX conversations_to_index ON conversations (conversation_time, id) WHERE search_row <= 0;

        CREATE TRIGGER conversations_changed AFTER UPDATE OF input_text, response_text ON conversations
        WHEN new.search_row > 0
        BEGIN
            UPDATE conversations SET search_row = -search_row WHERE id = new.id;
        END;

        CREATE TRIGGER conversations_deleted AFTER DELETE ON conversations
        WHEN old.search_row <> 0
        BEGIN
            DELETE FROM conversation_search WHERE rowid = abs(old.search_row);
        END;
        """

    private static let tiering = """
        -- Who watches for changes, as a cache does: one row, or none before the first. An era ends where changes may have
        -- gone by unwritten. Times here are seconds since 1970 by SQLite's own clock.
        CREATE TABLE redis_tier (
            one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
            era     INTEGER NOT NULL,
            seen_at INTEGER NOT NULL
        );

        -- Changes whose copies may still be in the cache. No serial is given twice. No foreign key, since deletions stand
        -- here too.
        CREATE TABLE redis_pending (
            serial     INTEGER PRIMARY KEY AUTOINCREMENT,
            session_id BLOB    NOT NULL,
            noted_at   INTEGER NOT NULL DEFAULT (unixepoch()),
            -- Whether the change is yet to be made.
            announced  INTEGER NOT NULL DEFAULT 0
        );

        -- Changes are written down a little longer than an era lasts after it was last seen.
        CREATE VIEW redis_watched AS
        SELECT era FROM redis_tier WHERE seen_at >= unixepoch() - 90;

        -- What a copy is asked for, all but counts, activity and a later expiry. Who only looked at a session writes every
        -- column of it, so the values are compared.
        CREATE TRIGGER session_changed
        AFTER UPDATE OF session_id, user_id, epoch, session_type, renewal, ttl_seconds, session_start, expires_at,
            absolute_expires_at, session_end, end_reason, version, secret_digest, previous_digest, previous_until,
            successor_sealed, ip_address, user_agent, session_metadata, session_claims
        ON session_master
        WHEN (
                new.expires_at < old.expires_at
                OR (old.session_id, old.user_id, old.epoch, old.session_type, old.renewal, old.ttl_seconds,
                    old.session_start, old.absolute_expires_at, old.session_end, old.end_reason, old.version,
                    old.secret_digest, old.previous_digest, old.previous_until, old.successor_sealed, old.ip_address,
                    old.user_agent, old.session_metadata, old.session_claims)
                IS NOT
                (new.session_id, new.user_id, new.epoch, new.session_type, new.renewal, new.ttl_seconds,
                    new.session_start, new.absolute_expires_at, new.session_end, new.end_reason, new.version,
                    new.secret_digest, new.previous_digest, new.previous_until, new.successor_sealed, new.ip_address,
                    new.user_agent, new.session_metadata, new.session_claims)
            )
            AND EXISTS (SELECT 1 FROM redis_watched)
        BEGIN
            INSERT INTO redis_pending (session_id) VALUES (old.session_id);
        END;

        CREATE TRIGGER session_deleted AFTER DELETE ON session_master
        WHEN EXISTS (SELECT 1 FROM redis_watched)
        BEGIN
            INSERT INTO redis_pending (session_id) VALUES (old.session_id);
        END;

        -- A raised epoch ends all of a user's sessions, and touches none of their rows.
        CREATE TRIGGER users_epoch_changed AFTER UPDATE OF epoch ON users
        WHEN new.epoch <> old.epoch AND EXISTS (SELECT 1 FROM redis_watched)
        BEGIN
            INSERT INTO redis_pending (session_id)
            SELECT session_id FROM session_master WHERE user_id = new.user_id AND session_end IS NULL;
        END;
        """
}
