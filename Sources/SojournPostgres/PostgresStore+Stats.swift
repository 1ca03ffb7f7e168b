// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore {
    /// One pass over the sessions, counted in the database.
    public func statistics() async throws -> SessionStatistics {
        try await answering {
            let rows = try await readWhole(PostgresCall(Self.counts))
            guard let first = rows.first else {
                throw PostgresError(.unexpectedResult, "The statistics came without a row.")
            }
            var statistics = SessionStatistics(at: try first.time(5))
            statistics.items = try first.int(6)
            // Without any session there is one row, without a status.
            for row in rows where !row.isNull(0) {
                let status: SessionStatus = try row.name(0)
                let sessions = try row.int(2)
                switch status {
                case .active:
                    statistics.active += sessions
                    statistics.activeByType[try row.name(1)] = sessions
                case .ended: statistics.ended += sessions
                case .expired: statistics.expired += sessions
                }
                statistics.createdLastHour += try row.int(3)
                statistics.createdLastDay += try row.int(4)
            }
            return statistics
        }
    }

    static let counts = PostgresStatement(
        """
        WITH t AS MATERIALIZED (
            SELECT sojourn.clock() AS at, (SELECT count(*) FROM sojourn.session_items) AS items
        ), counted AS (
            SELECT sojourn.session_status(s, u.epoch_raised_at, t.at) AS status, s.session_type, count(*) AS sessions,
                count(*) FILTER (WHERE s.session_start > t.at - interval '1 hour') AS last_hour,
                count(*) FILTER (WHERE s.session_start > t.at - interval '24 hours') AS last_day
            FROM t
            CROSS JOIN sojourn.session_master AS s
            LEFT JOIN sojourn.users AS u ON u.user_id = s.user_id
            GROUP BY 1, 2
        )
        SELECT c.status, c.session_type, c.sessions, c.last_hour, c.last_day, t.at, t.items
        FROM t LEFT JOIN counted AS c ON true
        """)
}
