-- SPDX-License-Identifier: Apache-2.0
-- Aging (C3): the order in which users and products take turns in the cache, and when the last cycle was.

-- Rows that were never cached wait in the order of their arrival, so that none gets in front of another: neither the id nor
-- created_at tells that order, since both are the writer's to choose. A sequence and no time: a clock may be set back.
ALTER TABLE sojourn.users
    ADD COLUMN arrival       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- For people: how long the first in the queue has waited.
    ADD COLUMN waiting_since timestamptz NOT NULL DEFAULT sojourn.clock();

ALTER TABLE sojourn.products
    ADD COLUMN arrival       bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    ADD COLUMN waiting_since timestamptz NOT NULL DEFAULT sojourn.clock();

-- One index is both queues: rows never cached by arrival, then those cached by stamp. Stubs stand in neither.
DROP INDEX sojourn.users_to_cache;
DROP INDEX sojourn.products_to_cache;
CREATE INDEX users_to_cache ON sojourn.users (last_cached_at NULLS FIRST, arrival) WHERE name IS NOT NULL;
CREATE INDEX products_to_cache ON sojourn.products (last_cached_at NULLS FIRST, arrival);

-- For random rows: a number between the first and the last arrival, and the row that is there or next.
CREATE INDEX users_by_arrival ON sojourn.users (arrival) WHERE name IS NOT NULL;
CREATE INDEX products_by_arrival ON sojourn.products (arrival);

-- A stub arrives when it is completed: one that was registered long ago does not get in front of who waits.
CREATE FUNCTION sojourn.arrive() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    NEW.arrival := nextval('sojourn.users_arrival_seq');
    NEW.waiting_since := sojourn.clock();
    RETURN NEW;
END $$;

CREATE TRIGGER arrive BEFORE UPDATE OF name ON sojourn.users
    FOR EACH ROW WHEN (OLD.name IS NULL AND NEW.name IS NOT NULL) EXECUTE FUNCTION sojourn.arrive();

REVOKE ALL ON FUNCTION sojourn.arrive() FROM PUBLIC;

-- Items take no turns, but are copied by their ids (C4).
ALTER TABLE sojourn.items ADD COLUMN version integer NOT NULL DEFAULT 1;

CREATE TRIGGER raise_version BEFORE UPDATE OF item_id, name, category ON sojourn.items
    FOR EACH ROW
    WHEN ((OLD.item_id, OLD.name, OLD.category) IS DISTINCT FROM (NEW.item_id, NEW.name, NEW.category))
    EXECUTE FUNCTION sojourn.raise_version();

-- The last cycle: one row.
CREATE TABLE sojourn.aging (
    one      boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
    cycle    bigint      NOT NULL DEFAULT 0,
    -- By sojourn.clock(); NULL where the next cycle is due at once.
    began_at timestamptz,
    -- What its rows were stamped with: later than every stamp before it, though the clock were set back.
    stamp    timestamptz
);

INSERT INTO sojourn.aging DEFAULT VALUES;

-- Whether the caller's transaction is the one that runs a cycle.
CREATE FUNCTION sojourn.lead_aging() RETURNS boolean
    LANGUAGE sql VOLATILE
    AS $$ SELECT pg_try_advisory_xact_lock(hashtext('sojourn'), hashtext('aging')) $$;
