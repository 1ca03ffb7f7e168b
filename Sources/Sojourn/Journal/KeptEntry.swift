// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// What stores keep of an entry to answer its idempotency key again; the rest stands in its row, which only `finish`
/// changes.
package struct KeptEntry: Codable, Sendable {
    private let id: String
    /// Its kind.
    package let kind: JournalKind
    /// Its own time in microseconds.
    private let at: Int64?
    /// For a turn that was written without a response: what its extra was then.
    private let openExtra: String?

    /// The entry's id.
    package var entryID: EntryID? { EntryID(id) }
    /// Its own time; nil for when the key was used.
    package var ownTime: Timestamp? { at.map(Timestamp.init(microseconds:)) }

    private init(_ entry: NewEntry) {
        id = entry.id.description
        kind = entry.body.kind
        at = entry.at?.microseconds
        if case .conversation(_, nil, let extra) = entry.body { openExtra = extra.text } else { openExtra = nil }
    }

    /// What is kept of several, as JSON.
    package static func text(_ entries: [NewEntry]) throws -> String {
        String(decoding: try JSONEncoder().encode(entries.map(Self.init)), as: UTF8.self)
    }

    /// What was kept, out of its JSON.
    ///
    /// - Throws: `storeDamaged`.
    package static func parse(_ text: String) throws(SojournError) -> [KeptEntry] {
        do {
            return try JSONDecoder().decode([KeptEntry].self, from: Data(text.utf8))
        } catch {
            throw SojournError(.storeDamaged, "The answer to an idempotency key could not be read.", underlying: error)
        }
    }

    /// The entry as its key was answered first, though a turn was finished since.
    package func asWritten(_ stored: JournalEntry) -> JournalEntry {
        guard let openExtra, case .conversation(let input, _, _) = stored.body else { return stored }
        var entry = stored
        entry.body = .conversation(input: input, response: nil, extra: JSONDocument(stored: openExtra))
        return entry
    }
}
