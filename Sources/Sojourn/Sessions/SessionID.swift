// SPDX-License-Identifier: Apache-2.0

/// A session's public name: a UUID, version 7 from us, any from SQL.
///
/// Not a secret: it may stand in logs, URLs and foreign keys, and opens nothing by itself.
public struct SessionID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The UUID's bytes, as stores keep them.
    public let uuid: UUIDBytes

    /// The id with these bytes.
    public init(_ uuid: UUIDBytes) {
        self.uuid = uuid
    }

    /// The id that a UUID's text names; nil for any other text.
    public init?(_ text: some StringProtocol) {
        guard let uuid = UUIDBytes(text) else { return nil }
        self.init(uuid)
    }

    /// A new id (RFC 9562, version 7), unused for all practical purposes.
    public init(at time: Timestamp, random: RandomSource) {
        self.init(UUIDBytes(version7At: time, random: random))
    }

    public static func < (left: Self, right: Self) -> Bool { left.uuid < right.uuid }

    /// The UUID in lower case.
    public var description: String { uuid.text }
}
