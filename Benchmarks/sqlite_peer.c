// SPDX-License-Identifier: Apache-2.0
//
// The peer of `Benchmarks/sqlite.sh`: validations as a plain C program makes them, one transaction each, on a database
// that the store made (same schema, same rows, same pragmas).
//
//     sqlite_peer FILE SECONDS
//
// Prints validations per second.

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *validate =
    "UPDATE session_master SET last_activity = ?1, request_count = request_count + 1 "
    "WHERE session_id = ?2 AND secret_digest = ?3 AND session_end IS NULL AND expires_at > ?1 "
    "AND epoch = coalesce((SELECT u.epoch FROM users AS u WHERE u.user_id = session_master.user_id), 0) "
    "RETURNING session_id, user_id, session_type, session_metadata, session_claims, version, session_start, "
    "last_activity, expires_at, absolute_expires_at, request_count, turn_count, ip_address, user_agent, ttl_seconds, "
    "renewal";

static int64_t microseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000 + time.tv_nsec / 1000;
}

// SplitMix64, as in the Swift side.
static uint64_t draw(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static void check(sqlite3 *db, int code, int wanted) {
    if (code == wanted) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: sqlite_peer FILE SECONDS\n");
        return 2;
    }
    sqlite3 *db;
    check(db, sqlite3_open(argv[1], &db), SQLITE_OK);
    check(db, sqlite3_exec(db,
        "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA cache_size = -8000; "
        "PRAGMA wal_autocheckpoint = 4000", NULL, NULL, NULL), SQLITE_OK);

    // Every id and digest, so that keys can be drawn uniformly.
    sqlite3_stmt *keys;
    check(db, sqlite3_prepare_v2(db, "SELECT session_id, secret_digest FROM session_master", -1, &keys, NULL), SQLITE_OK);
    size_t count = 0, room = 1 << 16;
    unsigned char *stored = malloc(room * 48);
    while (sqlite3_step(keys) == SQLITE_ROW) {
        if (count == room) stored = realloc(stored, (room *= 2) * 48);
        memcpy(stored + count * 48, sqlite3_column_blob(keys, 0), 16);
        memcpy(stored + count * 48 + 16, sqlite3_column_blob(keys, 1), 32);
        count++;
    }
    sqlite3_finalize(keys);

    sqlite3_stmt *statement;
    check(db, sqlite3_prepare_v2(db, validate, -1, &statement, NULL), SQLITE_OK);
    uint64_t state = 42, done = 0, bytes = 0;
    int64_t begin = microseconds(CLOCK_MONOTONIC), end = begin + atoll(argv[2]) * 1000000;
    while (microseconds(CLOCK_MONOTONIC) < end) {
        const unsigned char *key = stored + draw(&state) % count * 48;
        sqlite3_bind_int64(statement, 1, microseconds(CLOCK_REALTIME));
        sqlite3_bind_blob(statement, 2, key, 16, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 3, key + 16, 32, SQLITE_STATIC);
        check(db, sqlite3_step(statement), SQLITE_ROW);
        for (int column = 0; column < 16; column++) {
            if (sqlite3_column_text(statement, column)) bytes += sqlite3_column_bytes(statement, column);
        }
        check(db, sqlite3_step(statement), SQLITE_DONE);
        sqlite3_reset(statement);
        done++;
    }
    printf("%.0f\n", done * 1e6 / (microseconds(CLOCK_MONOTONIC) - begin));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    free(stored);
    return bytes == 0;
}
