// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libpq-fe.h>
#include <poll.h>

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
