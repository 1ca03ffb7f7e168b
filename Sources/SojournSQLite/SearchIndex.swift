// SPDX-License-Identifier: Apache-2.0

internal import GRDB
internal import Sojourn

/// How turns are numbered and named in `conversation_search`, the index that everybody's turns are searched by.
enum SearchIndex {
    /// The row numbers of the turns of one quarter of an hour, 16 million. They follow time, so that a page of the newest
    /// turns, or of those within time bounds, reads no others; and within the quarter they are near each other, since
    /// FTS5 stores their differences: with numbers by the second the index was three times as large.
    static func rows(at time: Timestamp) -> ClosedRange<Int64> {
        // What lies before 1970 counts as its first quarter.
        let quarter = max(time.microseconds / 900_000_000, 0)
        return (quarter << 24 + 1)...(quarter << 24 + (1 << 24 - 1))
    }

    /// What FTS5 has to find for a text to be found: all its trigrams, each a quoted string. Nil for a text without one.
    ///
    /// A turn with all of them need not hold the text: `HistoryQuery.matches` decides.
    static func match(_ text: String) -> String? {
        let key = Array(HistoryQuery.searchKey(text).unicodeScalars)
        guard key.count >= HistoryQuery.indexedTextMin else { return nil }
        // The first ones tell long texts apart well enough.
        let starts = (0...(key.count - 3)).prefix(32)
        return starts.map { start in
            var trigram = String.UnicodeScalarView()
            trigram.append(contentsOf: key[start..<(start + 3)])
            return "\"" + String(trigram).replacing("\"", with: "\"\"") + "\""
        }.joined(separator: " AND ")
    }

    /// What is indexed of a turn. No text that is sought goes over the mark between input and response.
    fileprivate static func text(input: String, response: String?) -> String {
        HistoryQuery.searchKey(input + "\u{1F}" + (response ?? ""))
    }

    /// The index before the turns, so that its order is theirs.
    static let turns = """
        conversation_search AS s CROSS JOIN conversations AS c ON c.id = s.conversation_id
        """

    static let pending = """
        SELECT id, search_row, conversation_time, input_text, response_text FROM conversations
        WHERE search_row <= 0 ORDER BY conversation_time, id LIMIT 100
        """
}

extension Database {
    /// Brings the index up to the turns that were written or changed since it was called last.
    ///
    /// For the end of a transaction: FTS5 writes out what it has gathered at every savepoint, and wherever a row's number
    /// is not above the one before.
    func indexTurns() throws {
        var last: Int64 = 0
        while true {
            let turns = try all(SearchIndex.pending) { columns in
                (
                    id: try columns.uuid(0), row: columns.integer(1), at: columns.time(2),
                    text: SearchIndex.text(input: columns.text(3), response: columns.optionalText(4))
                )
            }
            for turn in turns {
                var row = -turn.row
                if row > 0 {
                    try run(
                        "UPDATE conversation_search SET text = ? WHERE rowid = ?", [.text(turn.text), .integer(row)])
                } else {
                    let rows = SearchIndex.rows(at: turn.at)
                    row = try rows.contains(last) ? last + 1 : freeRow(in: rows)
                    try run(
                        "INSERT INTO conversation_search (rowid, conversation_id, text) VALUES (?, ?, ?)",
                        [.integer(row), .uuid(turn.id), .text(turn.text)])
                    last = row
                }
                try run("UPDATE conversations SET search_row = ? WHERE id = ?", [.integer(row), .uuid(turn.id)])
            }
            if turns.isEmpty { return }
        }
    }

    /// The number after the last that is taken.
    private func freeRow(in rows: ClosedRange<Int64>) throws -> Int64 {
        let taken = try first(
            "SELECT rowid FROM conversation_search WHERE rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT 1",
            [.integer(rows.lowerBound), .integer(rows.upperBound)]
        ) { $0.integer(0) }
        return taken.map { $0 + 1 } ?? rows.lowerBound
    }
}
