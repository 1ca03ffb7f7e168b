-- SPDX-License-Identifier: Apache-2.0
-- The pipeline (K2, K3): how far each group of consumers has come, and the messages that could not be written.

-- One row a partition. It moves by compare-and-set, in the transaction that writes what was read: whoever finds it elsewhere
-- than expected has been overtaken, and writes nothing.
CREATE TABLE sojourn.pipeline_positions (
    consumer_group text        NOT NULL,
    topic          text        NOT NULL,
    partition      integer     NOT NULL CHECK (partition >= 0),
    -- The offset of the first message that is not written yet.
    next_offset    bigint      NOT NULL DEFAULT 0 CHECK (next_offset >= 0),
    moved_at       timestamptz NOT NULL DEFAULT sojourn.clock(),
    -- Messages of a journal's topic whose session was gone.
    dropped        bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (consumer_group, topic, partition)
) WITH (fillfactor = 50);

CREATE TABLE sojourn.dead_letters (
    letter_id      bigint      NOT NULL PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    consumer_group text        NOT NULL,
    topic          text        NOT NULL,
    partition      integer     NOT NULL,
    -- What the topic's messages are: as what this one is tried again.
    content        text        NOT NULL CHECK (content IN ('orders', 'journal')),
    message_offset bigint      NOT NULL,
    message_key    bytea,
    message_value  bytea,
    reason         text        NOT NULL,
    state          text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'dropped')),
    created_at     timestamptz NOT NULL DEFAULT sojourn.clock(),
    settled_at     timestamptz,
    -- When it was in the topic of dead letters; NULL for not yet.
    announced_at   timestamptz,
    UNIQUE (consumer_group, topic, partition, message_offset),
    CHECK ((state = 'open') = (settled_at IS NULL))
);

CREATE INDEX dead_letters_open ON sojourn.dead_letters (letter_id) WHERE state = 'open';
CREATE INDEX dead_letters_unannounced ON sojourn.dead_letters (letter_id) WHERE announced_at IS NULL;
