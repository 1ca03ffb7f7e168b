// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

/* The flags are an enum in C and would need casts in Swift. */
static inline int sojourn_eventfd(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

/* The C library declares it for _GNU_SOURCE only, which Swift's importer does not set everywhere. */
extern int pthread_setname_np(pthread_t thread, const char *name);
static inline void sojourn_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

/* libpq names the fields of an error by character macros, which Swift does not import. */
enum {
    sojourn_field_severity = PG_DIAG_SEVERITY_NONLOCALIZED,
    sojourn_field_sqlstate = PG_DIAG_SQLSTATE,
    sojourn_field_message = PG_DIAG_MESSAGE_PRIMARY,
    sojourn_field_detail = PG_DIAG_MESSAGE_DETAIL,
    sojourn_field_hint = PG_DIAG_MESSAGE_HINT,
    sojourn_field_constraint = PG_DIAG_CONSTRAINT_NAME,
    sojourn_field_table = PG_DIAG_TABLE_NAME,
    sojourn_field_column = PG_DIAG_COLUMN_NAME
};
