// SPDX-License-Identifier: Apache-2.0

/// One page of a keyset listing, and where the next begins.
public struct Page<Element: Sendable>: Sendable {
    /// The elements, in the listing's order.
    public let items: [Element]
    /// What to ask for the next page with; nil where this is the last.
    public let next: PageCursor?

    /// A page.
    public init(items: [Element], next: PageCursor?) {
        self.items = items
        self.next = next
    }

    /// The page of a listing from which one element more than `limit` was fetched: the surplus one only tells that
    /// there is a next page, which begins after the last element kept.
    public init(fetched: [Element], limit: Int, cursor: (Element) -> PageCursor) {
        items = Array(fetched.prefix(limit))
        next = fetched.count > limit ? items.last.map(cursor) : nil
    }

    /// The page with each element put through `transform`.
    public func map<Other>(_ transform: (Element) throws -> Other) rethrows -> Page<Other> {
        try Page<Other>(items: items.map(transform), next: next)
    }
}

extension Page: Equatable where Element: Equatable {}
extension Page: Hashable where Element: Hashable {}

/// How much of a listing is asked for, and from where.
public struct PageRequest: Sendable, Hashable {
    /// The most elements that come back.
    public let limit: Int
    /// Where to go on; nil for the beginning.
    public let after: PageCursor?

    /// A request; 50 elements where nothing else is said.
    public init(limit: Int = 50, after: PageCursor? = nil) {
        self.limit = limit
        self.after = after
    }
}

/// A place in a listing's order: opaque to callers, who only hand it back.
public struct PageCursor: Sendable, Hashable {
    /// How long a cursor's text may be: room for the longest name of an item, every character of it four bytes that
    /// composing and lowering made three times as many.
    public static let lengthMax = 4096

    private let bytes: [UInt8]

    private init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The cursor that a client handed back; nil for a text that none of ours has.
    public init?(_ text: some StringProtocol) {
        guard (1...Self.lengthMax).contains(text.utf8.count), let bytes = Base64URL.decode(text.utf8)
        else { return nil }
        self.init(bytes: bytes)
    }

    /// What a client is given.
    public var text: String { Base64URL.encode(bytes) }

    /// The place after the row with this key.
    public init(_ uuid: UUIDBytes) {
        self.init(bytes: uuid.bytes)
    }

    /// The place after the row with this time and key.
    public init(_ time: Timestamp, _ uuid: UUIDBytes) {
        self.init(bytes: Self.big(UInt64(bitPattern: time.microseconds)) + uuid.bytes)
    }

    /// The place after the row with this number and text.
    public init(_ number: Int64, _ text: String) {
        self.init(bytes: Self.big(UInt64(bitPattern: number)) + Array(text.utf8))
    }

    /// The place after the row of this name.
    public init(name: String) {
        self.init(bytes: Array(name.utf8))
    }

    /// The key that the cursor was made of.
    ///
    /// - Throws: `invalidInput` naming `cursor` where it was made by another listing.
    public func uuid() throws -> UUIDBytes {
        guard let uuid = UUIDBytes(bytes: bytes) else { throw Self.foreign }
        return uuid
    }

    /// The time and key that the cursor was made of. Throws as `uuid()`.
    public func timeAndUUID() throws -> (Timestamp, UUIDBytes) {
        guard bytes.count == 24, let uuid = UUIDBytes(bytes: bytes.dropFirst(8)) else { throw Self.foreign }
        return (Timestamp(microseconds: Int64(bitPattern: Self.word(bytes))), uuid)
    }

    /// The number and text that the cursor was made of. Throws as `uuid()`.
    public func numberAndText() throws -> (Int64, String) {
        guard bytes.count >= 8, let text = String(validating: bytes.dropFirst(8), as: UTF8.self) else {
            throw Self.foreign
        }
        return (Int64(bitPattern: Self.word(bytes)), text)
    }

    /// The name that the cursor was made of. Throws as `uuid()`.
    public func name() throws -> String {
        guard let name = String(validating: bytes, as: UTF8.self), !name.utf8.contains(0) else { throw Self.foreign }
        return name
    }

    private static var foreign: SojournError {
        SojournError(
            .invalidInput, "This cursor belongs to another listing: repeat the first request without one.",
            field: "cursor")
    }

    private static func big(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
    }

    private static func word(_ bytes: [UInt8]) -> UInt64 {
        bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }
}
