// SPDX-License-Identifier: Apache-2.0

/// A cache of users, products and items, in two parts: the rotation, which cycles replace as a whole (C3), and copies of rows by
/// their ids (C4). It is the authority on nothing, and may lose anything at any time. Throws `SojournError`.
public protocol RetailCache: Sendable {
    /// Whether it answers.
    func ping() async throws

    /// Writes the rows of a cycle beside what is served, of which nothing is seen until `publish`. What is never published
    /// goes by itself after `life`.
    ///
    /// - Parameter life: how long the rows are served where no cycle follows.
    func prepare(_ rows: AgingRows, life: Duration) async throws -> AgingTicket

    /// Serves what was prepared in place of what was served before, each kind at once.
    ///
    /// - Throws: `storeUnavailable` where somebody else prepared since, or what was prepared is not complete any more; then
    ///   one kind of the two may have been published.
    func publish(_ ticket: AgingTicket) async throws

    /// Serves nothing: drops the rotation and all copies.
    func drop() async throws

    /// So many rows of the rotation, each drawn by itself: one may come twice. None where there is no rotation.
    func sample(users: Int, products: Int) async throws -> AgingRows

    /// The copy of a row; nil where there is none.
    func copy<Row: CachedRow>(_ type: Row.Type, of id: String) async throws -> Row?

    /// Keeps copies of rows, but where a newer version is kept, or the row was forgotten since it was read. They are served
    /// for `RowCopies.life` from `age` ago on, when the rows were asked for.
    func keep<Row: CachedRow>(_ rows: [Row], age: Duration) async throws

    /// Takes copies away, of rows that changed or are gone, and takes none of them that was read before.
    func forget(_ kind: CachedKind, _ ids: [String]) async throws
}

/// The rows of a rotation, or some of it.
public struct AgingRows: Sendable, Hashable {
    /// Users.
    public var users: [RetailUser]
    /// Products.
    public var products: [RetailProduct]

    /// These rows.
    public init(users: [RetailUser] = [], products: [RetailProduct] = []) {
        self.users = users
        self.products = products
    }
}

/// What was prepared, to be published.
public struct AgingTicket: Sendable, Hashable {
    /// Its name, that nothing else has.
    public let id: String
    /// How many rows of each kind there have to be.
    public let users: Int, products: Int

    /// A ticket: for caches.
    public init(id: String, users: Int, products: Int) {
        self.id = id
        self.users = users
        self.products = products
    }
}

/// The bounds of copies by id.
public enum RowCopies {
    /// How long a copy is served, from when its row was asked for: what changed past us, by SQL, is seen after that at the
    /// latest. 60 s.
    public static let life = Duration.seconds(60)
    /// How many copies of a kind are kept; past that, those go first that would go first anyway. 10,000.
    public static let countMax = 10_000
    /// The oldest reading that is kept as a copy, and how long it is known that a row was forgotten: so none that was read
    /// before a change is kept after it. 10 s.
    public static let readingMax = Duration.seconds(10)
}
