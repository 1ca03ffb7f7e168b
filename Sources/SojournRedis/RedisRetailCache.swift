// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Logging
public import RedisDriver
public import Sojourn

/// Users and products in Redis 7 or newer, or Valkey (C3, C4).
///
/// - **The rotation** of a kind is one hash, `{id: JSON}`: `PREFIX:{cache:users}`, `PREFIX:{cache:products}`. A cycle makes
///   the next one beside, under a name of its own, and renames it. Whose turn it is stands in a key as well: a worker that
///   was thought dead cannot publish once another has begun, and one whose hash lost rows, by a flush or an eviction, cannot
///   either.
/// - **Copies by id** of a kind are one hash with the version before each row, and a sorted set of the moments after which
///   they are served no more, which bounds both their age and their number.
/// - Every key has a TTL, and keys that change together share a tag, so a slot of a cluster.
public final class RedisRetailCache: RetailCache {
    private let client: RedisClient
    private let prefix: String
    private let copiesMax: Int
    private let fill = RedisScript(String(decoding: PackageResources.rotation_fill_lua, as: UTF8.self))
    private let rename = RedisScript(String(decoding: PackageResources.rotation_publish_lua, as: UTF8.self))
    private let look = RedisScript(String(decoding: PackageResources.row_look_lua, as: UTF8.self))
    private let keeping = RedisScript(String(decoding: PackageResources.row_keep_lua, as: UTF8.self))

    /// Most time for an answer: past it, the database is asked, and a cycle is given up.
    public static let answerMax = Duration.seconds(1)
    /// Rows in one command: scripts take no more than some thousand arguments.
    private static let rowsMax = 500

    /// A cache on the servers that the configuration names. Connects when it is first used; what takes longer than
    /// `answerMax` fails, and an outage is told at once.
    ///
    /// - Parameters:
    ///   - prefix: What every key begins with.
    ///   - copiesMax: How many copies by id are kept of a kind.
    public init(
        _ configuration: RedisConfiguration, prefix: String = "sojourn",
        answerMax: Duration = RedisRetailCache.answerMax, copiesMax: Int = RowCopies.countMax,
        logger: Logger = Logger(label: "sojourn.cache")
    ) {
        client = RedisClient(configuration.impatient(answerMax), logger: logger)
        self.prefix = prefix
        self.copiesMax = copiesMax
    }

    /// Ends every connection; later calls throw `storeUnavailable`.
    public func close() {
        client.close()
    }

    public func ping() async throws {
        try await RedisFailure.mapping { _ = try await client.send(RedisCommand("PING", retry: .ifInterrupted)) }
    }
}

// MARK: - The rotation

extension RedisRetailCache {
    /// The hash of a kind's rotation.
    func served(_ kind: CachedKind) -> String { "\(prefix):{cache:\(kind.rawValue)}" }
    /// The hash that is made beside it.
    private func next(_ kind: CachedKind, _ ticket: String) -> String { served(kind) + ":next:" + ticket }
    /// Whose turn it is.
    private func turn(_ kind: CachedKind) -> String { served(kind) + ":turn" }

    public func prepare(_ rows: AgingRows, life: Duration) async throws -> AgingTicket {
        let ticket = AgingTicket(id: "\(UUID())", users: rows.users.count, products: rows.products.count)
        let milliseconds = RedisArgument(Int(life / .milliseconds(1)))
        func commands<Row: CachedRow>(_ rows: [Row]) -> [RedisCommand] {
            let taking = RedisCommand("SET", key: turn(Row.kind), [RedisArgument(ticket.id), "PX", milliseconds])
            return [taking]
                + stride(from: 0, to: rows.count, by: Self.rowsMax).map { start in
                    let pairs = rows[start..<min(start + Self.rowsMax, rows.count)].flatMap {
                        [RedisArgument($0.key), RedisArgument($0.json.text)]
                    }
                    return .script(fill, keys: [next(Row.kind, ticket.id)], [milliseconds] + pairs)
                }
        }
        let all = commands(rows.users) + commands(rows.products)
        try await RedisFailure.mapping { for answer in await client.send(all) { _ = try answer.get() } }
        return ticket
    }

    public func publish(_ ticket: AgingTicket) async throws {
        let commands = [(CachedKind.users, ticket.users), (.products, ticket.products)].map { kind, count in
            RedisCommand.script(
                rename, keys: [served(kind), next(kind, ticket.id), turn(kind)],
                [RedisArgument(ticket.id), RedisArgument(count)])
        }
        try await RedisFailure.mapping {
            for answer in await client.send(commands) where try answer.get().int() == 0 {
                throw SojournError(
                    .storeUnavailable,
                    "The rows that were to be cached are not in Redis any more: another worker took over, or they were lost."
                )
            }
        }
    }

    public func drop() async throws {
        let keys = CachedKind.allCases.flatMap { [served($0), turn($0)] + copies($0) }
        try await RedisFailure.mapping {
            for answer in await client.send(keys.map { RedisCommand("UNLINK", key: $0, retry: .ifInterrupted) }) {
                _ = try answer.get()
            }
        }
    }

    public func sample(users: Int, products: Int) async throws -> AgingRows {
        let counts = [(CachedKind.users, users), (.products, products)]
        // A negative count: so many draws, each by itself. None at all is a count as well.
        let commands = counts.map { kind, count in
            RedisCommand(
                "HRANDFIELD", key: served(kind), [RedisArgument(-count), "WITHVALUES"], retry: .ifInterrupted)
        }
        return try await RedisFailure.mapping {
            let texts = try await client.send(commands).map { try Self.values(try $0.get()) }
            return AgingRows(users: try Self.rows(texts[0]), products: try Self.rows(texts[1]))
        }
    }

    /// The values of fields with values: in pairs by RESP3, one after the other by RESP2.
    private static func values(_ answer: RedisValue) throws -> [[UInt8]] {
        let elements = try answer.array()
        guard case .array? = elements.first else { return try answer.pairs().map { try $0.value.bytes() } }
        return try elements.map { element in
            guard let value = try element.array().last else {
                throw RedisError(.unexpectedResult, "Redis answered a field without a value.")
            }
            return try value.bytes()
        }
    }

    /// Rows of their JSON, all decoded at once.
    private static func rows<Row: CachedRow>(_ texts: [[UInt8]]) throws -> [Row] {
        guard !texts.isEmpty else { return [] }
        do {
            return try JSONDecoder().decode(
                [Row].self,
                from: Data(
                    [UInt8(ascii: "[")] + texts.joined(separator: [UInt8(ascii: ",")]) + [
                        UInt8(ascii: "]")
                    ]))
        } catch {
            throw RedisError(.unexpectedResult, "A cached row is none of this version's.")
        }
    }
}

// MARK: - Copies by id

extension RedisRetailCache {
    /// The copies of a kind, and until when each is good.
    private func copies(_ kind: CachedKind) -> [String] {
        let rows = "\(prefix):{rows:\(kind.rawValue)}"
        return [rows, rows + ":until"]
    }

    public func copy<Row: CachedRow>(_ type: Row.Type, of id: String) async throws -> Row? {
        try await RedisFailure.mapping {
            let answer = try await client.send(
                .script(look, keys: copies(Row.kind), [RedisArgument(id)], retry: .ifInterrupted))
            let rows: [Row] = answer.isNull ? [] : try Self.rows([try answer.bytes()])
            return rows.first
        }
    }

    public func keep<Row: CachedRow>(_ rows: [Row], age: Duration) async throws {
        try await keep(
            Row.kind, rows.map { (id: $0.key, version: $0.version, row: $0.json.text) }, for: RowCopies.life - age)
    }

    public func forget(_ kind: CachedKind, _ ids: [String]) async throws {
        // Newer than all: nothing that was read before takes its place.
        try await keep(kind, ids.map { (id: $0, version: 1 << 53, row: "") }, for: RowCopies.life)
    }

    private func keep(
        _ kind: CachedKind, _ copies: [(id: String, version: Int, row: String)], for life: Duration
    ) async throws {
        guard life > .zero else { return }
        let times = [RowCopies.life, life, RowCopies.readingMax].map { RedisArgument(Int($0 / .milliseconds(1))) }
        let commands = stride(from: 0, to: copies.count, by: Self.rowsMax).map { start in
            let rows = copies[start..<min(start + Self.rowsMax, copies.count)].flatMap {
                [RedisArgument($0.id), RedisArgument($0.version), RedisArgument($0.row)]
            }
            return RedisCommand.script(
                keeping, keys: self.copies(kind), times + [RedisArgument(copiesMax)] + rows, retry: .ifInterrupted)
        }
        try await RedisFailure.mapping { for answer in await client.send(commands) { _ = try answer.get() } }
    }
}
