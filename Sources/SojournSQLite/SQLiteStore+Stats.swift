// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore: SessionStore {
    public var capabilities: StoreCapabilities { [.sessions, .items, .journal, .history, .tiering] }

    /// One pass over the sessions. How they stand is `SessionRecord.status` said in SQL: counting a million of them
    /// must not read a million rows out.
    public func statistics() async throws -> SessionStatistics {
        try await read { [clock] db in
            let now = clock.now
            var statistics = SessionStatistics(at: now)
            try db.each(
                Self.counts, [.time(now), .time(now - .hours(1)), .time(now - .hours(24))]
            ) { columns in
                let status: SessionStatus = try columns.name(0, "a status")
                let sessions = try columns.count(2)
                switch status {
                case .active:
                    statistics.active += sessions
                    statistics.activeByType[try columns.name(1, "a session's type")] = sessions
                case .ended: statistics.ended += sessions
                case .expired: statistics.expired += sessions
                }
                statistics.createdLastHour += try columns.count(3)
                statistics.createdLastDay += try columns.count(4)
                return true
            }
            statistics.items = try db.first("SELECT count(*) FROM session_items") { try $0.count(0) } ?? 0
            return statistics
        }
    }

    static let counts = """
        SELECT
            CASE
                WHEN s.end_reason IS NOT NULL THEN CASE s.end_reason WHEN 'expired' THEN 'expired' ELSE 'ended' END
                WHEN s.epoch <> u.epoch AND (u.epoch_raised_at < s.expires_at OR s.expires_at > ?1) THEN 'ended'
                WHEN s.expires_at <= ?1 THEN 'expired'
                ELSE 'active'
            END AS status,
            s.session_type, count(*), sum(s.session_start > ?2), sum(s.session_start > ?3)
        FROM session_master AS s LEFT JOIN users AS u ON u.user_id = s.user_id
        GROUP BY status, s.session_type
        """

    public func ping() async throws {
        // A transaction for writing that writes nothing: it needs the lock and a file that can be written to. A full disk
        // shows only in a write: such a call is answered `storeFull`.
        try await write(.singleStatement) { _ in }
    }
}
