-- SPDX-License-Identifier: Apache-2.0
-- Tiering (R2, R3): what a cache before this database must hear of. While somebody watches, every change that makes a copy of a
-- session dangerous writes a row, in its own transaction and whoever makes it; whoever has deleted the copies deletes the row.
--
-- Both tables are UNLOGGED. After a crash, and on a standby that was promoted, they are empty; that nobody is known to watch means
-- a new era, and copies of another era are worth nothing. So no copy outlives transactions that were lost with a server, and
-- neither watching nor settling waits for the disk.

-- Who watches: one row, or none before the first. An era ends where changes may have gone by unwritten.
CREATE UNLOGGED TABLE sojourn.redis_tier (
    one     boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    era     bigint      NOT NULL,
    -- By the server's own clock, here and below, not by sojourn.clock(): a test's clock must not stop the writing.
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Logged, unlike the table that it numbers, so that no number is given twice.
CREATE SEQUENCE sojourn.redis_serial;

-- Changes whose copies may still be there. Rows are only added and deleted, each change a row of its own: two who write wait for
-- nobody, not even for one who settles an earlier change of the same session. No foreign key, since deletions stand here too.
-- Few rows live here, and briefly: they are vacuumed by number and not by share, and the file is not cut, for which polls would
-- have to be locked out.
CREATE UNLOGGED TABLE sojourn.redis_pending (
    serial     bigint      NOT NULL PRIMARY KEY DEFAULT nextval('sojourn.redis_serial'),
    session_id uuid        NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Whether the change is yet to be made.
    announced  boolean     NOT NULL DEFAULT false
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, vacuum_truncate = false);

-- The number of the era after this one (NULL for none): milliseconds since 1970, so that a database that was set up anew or put
-- back to an older state does not give a number out twice.
CREATE FUNCTION sojourn.next_era(era bigint) RETURNS bigint
    LANGUAGE sql VOLATILE
    AS $$ SELECT greatest(era + 1, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) $$;

-- Begins an era where the last one is over: nobody watched for 60 seconds. Waits for every transaction that looked for a watcher,
-- found none and is still open: its change would be missing. Nobody waits for this one, see note_change().
CREATE FUNCTION sojourn.begin_era() RETURNS void
    LANGUAGE plpgsql SET lock_timeout = '1s'
    AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('sojourn'), hashtext('tiering'));
    -- A statement of its own: it sees what somebody before us in the queue has begun.
    INSERT INTO sojourn.redis_tier AS t (era, seen_at) VALUES (sojourn.next_era(NULL), clock_timestamp())
    ON CONFLICT (one) DO UPDATE SET era = sojourn.next_era(t.era), seen_at = excluded.seen_at
    WHERE t.seen_at < excluded.seen_at - interval '60 seconds';
END $$;

-- Writes down that a session changed, where somebody watches or may begin to before this transaction is over. Waits for nobody:
-- - Where somebody begins an era just now, the lock is not to be had, and the change is written without looking. Who begins holds
--   no rows that we could want, nor do we let him wait longer.
-- - Who holds the lock is waited for, so what the look finds is true until this transaction's end, but for one that reads an older
--   state than that of its statement: it does not look.
-- - It looks back over two minutes, twice the time after which an era is over. Who finds nobody is sure that a reading which found
--   its era still going, and says so only now, says it of a moment more than a minute ago: that era is over as well.
CREATE FUNCTION sojourn.note_change() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    -- Before the look, so that the time which it goes by is not later than what it sees.
    v_at CONSTANT timestamptz := clock_timestamp();
BEGIN
    IF current_setting('transaction_isolation') = 'read committed'
        AND pg_try_advisory_xact_lock_shared(hashtext('sojourn'), hashtext('tiering'))
    THEN
        -- A statement of its own, so that it sees what was committed until the lock was ours.
        PERFORM FROM sojourn.redis_tier WHERE one AND seen_at > v_at - interval '2 minutes';
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;
    INSERT INTO sojourn.redis_pending (session_id) VALUES (OLD.session_id);
    RETURN NULL;
END $$;

-- What a copy is asked for, all but counts, activity and a later expiry. By row: a statement's trigger cannot name columns, and
-- would be a burden to every validation. A validation sets one of these, expires_at, which has a trigger of its own for that.
CREATE TRIGGER note_change AFTER UPDATE OF session_id, user_id, epoch, user_epoch, session_type, renewal, ttl_seconds,
        session_start, absolute_expires_at, session_end, end_reason, version, secret_digest, previous_digest, previous_until,
        successor_sealed, ip_address, user_agent, session_metadata, session_claims
    ON sojourn.session_master
    FOR EACH ROW
    WHEN ((OLD.session_id, OLD.user_id, OLD.epoch, OLD.user_epoch, OLD.session_type, OLD.renewal, OLD.ttl_seconds,
            OLD.session_start, OLD.absolute_expires_at, OLD.session_end, OLD.end_reason, OLD.version, OLD.secret_digest,
            OLD.previous_digest, OLD.previous_until, OLD.successor_sealed, OLD.ip_address, OLD.user_agent,
            OLD.session_metadata, OLD.session_claims)
        IS DISTINCT FROM
        (NEW.session_id, NEW.user_id, NEW.epoch, NEW.user_epoch, NEW.session_type, NEW.renewal, NEW.ttl_seconds,
            NEW.session_start, NEW.absolute_expires_at, NEW.session_end, NEW.end_reason, NEW.version, NEW.secret_digest,
            NEW.previous_digest, NEW.previous_until, NEW.successor_sealed, NEW.ip_address, NEW.user_agent,
            NEW.session_metadata, NEW.session_claims))
    EXECUTE FUNCTION sojourn.note_change();

CREATE TRIGGER note_earlier_expiry AFTER UPDATE OF expires_at ON sojourn.session_master
    FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at) EXECUTE FUNCTION sojourn.note_change();

CREATE TRIGGER note_deletion AFTER DELETE ON sojourn.session_master
    FOR EACH ROW EXECUTE FUNCTION sojourn.note_change();

-- Emptying the table fires no trigger of a row: all copies go.
CREATE FUNCTION sojourn.end_era() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    UPDATE sojourn.redis_tier SET era = sojourn.next_era(era) WHERE one;
    RETURN NULL;
END $$;

CREATE TRIGGER end_era AFTER TRUNCATE ON sojourn.session_master
    FOR EACH STATEMENT EXECUTE FUNCTION sojourn.end_era();

-- Forgets changes that nobody has settled for an hour, of the oldest so many, and ends the era in which copies of them may be left.
CREATE FUNCTION sojourn.forget_changes(p_rows integer) RETURNS integer
    LANGUAGE sql VOLATILE
    AS $$
        WITH oldest AS (
            SELECT serial, noted_at FROM sojourn.redis_pending ORDER BY serial LIMIT p_rows
        ), forgotten AS (
            DELETE FROM sojourn.redis_pending
            WHERE serial IN (SELECT serial FROM oldest WHERE noted_at <= clock_timestamp() - interval '1 hour')
            RETURNING 1
        ), ended AS (
            UPDATE sojourn.redis_tier SET era = sojourn.next_era(era)
            WHERE one AND EXISTS (SELECT 1 FROM forgotten)
        )
        SELECT count(*)::integer FROM forgotten
    $$;

REVOKE ALL ON FUNCTION sojourn.next_era(bigint), sojourn.begin_era(), sojourn.note_change(), sojourn.end_era(),
    sojourn.forget_changes(integer) FROM PUBLIC;
