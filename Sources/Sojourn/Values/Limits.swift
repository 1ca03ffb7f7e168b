// SPDX-License-Identifier: Apache-2.0

/// The sizes past which an input is refused (law 8), with the defaults of `design.md`.
public struct Limits: Sendable, Hashable {
    /// Metadata and claims, each, as JSON text, in bytes. Default 16 KiB.
    public var documentBytesMax = 16 * 1024
    /// How deep metadata, claims and data may nest. Default 16.
    public var documentDepthMax = 16
    /// A user agent, in characters; longer ones are cut. Default 512.
    public var userAgentMax = 512
    /// Elements in one call. Default 1,000.
    public var batchMax = 1000
    /// Items that one session may hold. Default 1,000.
    public var heldItemsMax = 1000
    /// A turn's input and its response, each, and any other long text of the journal, in bytes. Default 64 KiB.
    public var turnBytesMax = 64 * 1024
    /// Elements on one page. Default 500.
    public var pageMax = 500
    /// How far back an entry's own time may lie. Default ten years.
    public var entryAgeMax: Duration = .days(3653)
    /// How far ahead an entry's own time may lie. Default one month.
    public var entryAheadMax: Duration = .days(31)

    /// The defaults.
    public init() {}
}

extension Limits {
    /// An object within the limits, as a document.
    ///
    /// - Throws: `tooLarge` or `invalidInput` naming `field`.
    func document(_ members: [String: JSONValue], field: String) throws -> JSONDocument {
        guard !members.isEmpty else { return .empty }
        let value = JSONValue.object(members)
        guard value.depth <= documentDepthMax else {
            throw SojournError(
                .invalidInput, "May nest at most \(documentDepthMax) levels, not \(value.depth).", field: field)
        }
        guard !value.containsNUL else {
            throw SojournError(.invalidInput, "May not hold the character U+0000.", field: field)
        }
        let document = JSONDocument(members)
        guard document.text.utf8.count <= documentBytesMax else {
            throw SojournError(
                .tooLarge, "May be at most \(documentBytesMax) bytes of JSON, not \(document.text.utf8.count).",
                field: field, details: ["limit": .integer(Int64(documentBytesMax))])
        }
        return document
    }

    /// Checks a text's length in bytes, and that PostgreSQL could keep it.
    ///
    /// - Throws: `tooLarge` or `invalidInput` naming `field`.
    func check(text: String?, field: String, bytesMax: Int? = nil) throws {
        guard let text else { return }
        let bytesMax = bytesMax ?? turnBytesMax
        guard text.utf8.count <= bytesMax else {
            throw SojournError(
                .tooLarge, "May be at most \(bytesMax) bytes, not \(text.utf8.count).", field: field,
                details: ["limit": .integer(Int64(bytesMax))])
        }
        guard !text.utf8.contains(0) else {
            throw SojournError(.invalidInput, "May not hold the character U+0000.", field: field)
        }
    }

    /// Checks a short name: 1 to `lengthMax` characters, no control characters.
    func check(name: String?, field: String, lengthMax: Int = 100) throws {
        guard let name else { return }
        guard Self.isName(name, lengthMax: lengthMax) else {
            throw SojournError(
                .invalidInput, "Must be 1 to \(lengthMax) characters, none of them a control character.", field: field)
        }
    }

    /// Whether a text is 1 to `lengthMax` characters (Unicode scalars), none of them a control character.
    public static func isName(_ text: String, lengthMax: Int) -> Bool {
        (1...lengthMax).contains(text.unicodeScalars.count)
            && !text.unicodeScalars.contains { $0.properties.generalCategory == .control }
    }

    /// Checks the number of elements in a call.
    func check(count: Int, field: String) throws {
        guard count <= batchMax else {
            throw SojournError(
                .tooLarge, "May hold at most \(batchMax) elements, not \(count).", field: field,
                details: ["limit": .integer(Int64(batchMax))])
        }
    }

    /// Checks a page's size.
    func check(_ page: PageRequest) throws {
        guard (1...pageMax).contains(page.limit) else {
            throw SojournError(.invalidInput, "Must be 1 to \(pageMax).", field: "limit")
        }
    }
}
