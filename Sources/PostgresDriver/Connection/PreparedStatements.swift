// SPDX-License-Identifier: Apache-2.0

/// What one connection has prepared, and under which names. Lives and dies with the connection.
///
/// A statement counts as prepared from the moment it is sent: the pipeline keeps the order. Where the server then
/// skips it, because an earlier call of the unit failed, `forget` takes it out again, and what was sent meanwhile in
/// good faith fails with 26000 and is sent anew.
struct PreparedStatements {
    /// What has to be sent before a statement can be run.
    struct Preparation {
        /// The name to run it under.
        let name: String
        /// Whether it has to be prepared first.
        let isNew: Bool
        /// The name that has to be given up for it, or nil.
        let evicted: String?
    }

    private struct Entry {
        let name: String
        var lastUse: UInt64
    }

    /// Most statements kept.
    let max: Int
    private var entries: [PostgresStatement: Entry] = [:]
    private var uses: UInt64 = 0
    private var names = 0

    /// Nothing is prepared; at most `max` will be.
    init(max: Int) {
        self.max = max
    }

    /// How many are prepared.
    var count: Int { entries.count }

    /// Notes that `statement` is about to be run.
    mutating func use(_ statement: PostgresStatement) -> Preparation {
        uses += 1
        if let index = entries.index(forKey: statement) {
            entries.values[index].lastUse = uses
            return Preparation(name: entries.values[index].name, isNew: false, evicted: nil)
        }
        var evicted: String?
        // A scan over all, but only where a connection meets more statements than it may keep.
        if entries.count >= max, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            evicted = oldest.value.name
            entries[oldest.key] = nil
        }
        names += 1
        let entry = Entry(name: "s\(names)", lastUse: uses)
        entries[statement] = entry
        return Preparation(name: entry.name, isNew: true, evicted: evicted)
    }

    /// Notes that `statement` is not prepared after all, if it still goes by `name`.
    mutating func forget(_ statement: PostgresStatement, as name: String) {
        if entries[statement]?.name == name { entries[statement] = nil }
    }
}
