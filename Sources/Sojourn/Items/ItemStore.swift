// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// An item's number in the catalogue: 1 to 2^53 - 1, so that every JSON reader keeps it exact.
public typealias ItemID = Int64

/// A row of the catalogue of things that sessions may hold (I1).
public struct Item: Sendable, Hashable {
    /// Its number.
    public let id: ItemID
    /// Its name, 1 to 200 characters.
    public let name: String
    /// Its category, up to 100 characters; nil for none.
    public let category: String?

    /// The longest name, in characters (Unicode scalars).
    public static let nameMax = 200
    /// The longest category, in characters.
    public static let categoryMax = 100
    /// The numbers that an item may have.
    public static let ids: ClosedRange<ItemID> = 1...9_007_199_254_740_991

    /// A catalogue row.
    public init(id: ItemID, name: String, category: String?) {
        self.id = id
        self.name = name
        self.category = category
    }

    /// What names are searched and ordered by: lower case, composed characters (NFC).
    public static func searchKey(_ name: String) -> String {
        name.precomposedStringWithCanonicalMapping.lowercased()
    }
}

/// An item in a session, with its catalogue row.
public struct HeldItem: Sendable, Hashable {
    /// The catalogue row.
    public let item: Item
    /// When the session took it.
    public let addedAt: Timestamp

    /// A held item.
    public init(item: Item, addedAt: Timestamp) {
        self.item = item
        self.addedAt = addedAt
    }
}

/// What an add did; both lists in the order asked, each id once.
public struct ItemsAdded: Sendable, Hashable {
    /// The ids that the session holds since this call.
    public let added: [ItemID]
    /// The ids that it held before.
    public let alreadyPresent: [ItemID]

    /// What an add did.
    public init(added: [ItemID], alreadyPresent: [ItemID]) {
        self.added = added
        self.alreadyPresent = alreadyPresent
    }
}

/// What writing to the catalogue did.
public struct ItemsPut: Sendable, Hashable {
    /// Rows that are new.
    public let added: Int
    /// Rows that existed and now say something else.
    public let updated: Int

    /// What a put did.
    public init(added: Int, updated: Int) {
        self.added = added
        self.updated = updated
    }
}

/// A store that keeps a catalogue, and which of its items each session holds (I1–I4). Throws as `SessionStore`.
public protocol ItemStore: SessionStore {
    /// Writes catalogue rows, new or changed, all or none. Of rows with one id the last counts.
    func put(_ items: [Item]) async throws -> ItemsPut

    /// The catalogue rows whose search key begins with that of `prefix`, by search key and id.
    func items(prefix: String, page: PageRequest) async throws -> Page<Item>

    /// Adds items to a session, all or none. `unknownItems` names every id that the catalogue lacks; `limitReached`
    /// where the session would hold more than `holdMax`. Renews as a write.
    func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded

    /// What the session holds, newest first, then by id downwards. By trust also of an ended session.
    func held(by access: SessionAccess) async throws -> [HeldItem]

    /// Removes items, or all of them for nil, and returns how many the session held of them.
    func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int

    /// `validate` and `held` in one query (I4).
    func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])?
}
