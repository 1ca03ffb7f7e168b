// SPDX-License-Identifier: Apache-2.0

internal import CPostgres

extension PostgresError {
    /// What the server said in an error result; nil where it was libpq that made the result up, which it does where
    /// the connection broke.
    init?(_ result: PostgresResult, file: String = #fileID, line: Int = #line) {
        guard let state = result.field(sojourn_field_sqlstate) else { return nil }
        self.init(.server, result.field(sojourn_field_message) ?? "", file: file, line: line)
        sqlState = state
        detail = result.field(sojourn_field_detail)
        hint = result.field(sojourn_field_hint)
        constraint = result.field(sojourn_field_constraint)
        table = result.field(sojourn_field_table)
        column = result.field(sojourn_field_column)
    }

    /// Why a connection could not be made: libpq's text with verbose errors, `FATAL:  28P01: password …`.
    init(connecting complaint: String, to host: PostgresConfiguration.Host, file: String = #fileID, line: Int = #line) {
        let lines = complaint.split(separator: "\n").filter { !$0.hasPrefix("LOCATION:") }
        var text = lines.joined(separator: "; ").trimmedLineEnd
        var state: String?
        if let match = text.firstMatch(of: #/:  ([0-9A-Z]{5}): /#) {
            state = String(match.1)
            text.replaceSubrange(match.range, with: ":  ")
        }
        self.init(.unreachable, "\(host.name):\(host.port): \(text)", file: file, line: line)
        sqlState = state
    }

    /// Whether waiting will not help: the server refuses who we are or what we want, or cannot prove who it is.
    var isLasting: Bool {
        guard code == .unreachable else { return true }
        if let sqlState { return sqlState.hasPrefix("28") || sqlState == "3D000" || sqlState == "42501" }
        return ["certificate", "does not support SSL", "no password supplied"].contains { message.contains($0) }
    }
}

extension PostgresResult {
    /// Whether the server ended the session with this error.
    var endsSession: Bool {
        ["FATAL", "PANIC"].contains(field(sojourn_field_severity))
    }
}
