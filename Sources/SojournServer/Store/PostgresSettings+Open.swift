// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn
internal import SojournPostgres

extension PostgresSettings {
    /// The store on this database, its tables made or checked as `purpose` asks.
    ///
    /// - Throws: `SojournError`, with a hint about the provider where the database cannot be reached.
    func open(for purpose: OpenStore.Purpose) async throws -> PostgresStore {
        try await hinting {
            let store = PostgresStore(
                try configuration(of: endpoint), direct: try directEndpoint.map { try configuration(of: $0) })
            if purpose == .making || (purpose == .serving && migratesAtStart) {
                try await migrate(by: store)
            } else {
                try await store.checkTables()
            }
            return store
        }
    }

    /// The store on this database by the direct way, where there is one: for what changes tables, which lasts.
    ///
    /// - Throws: As `open`.
    func openDirectly() async throws -> PostgresStore {
        try await hinting {
            let store = PostgresStore(try configuration(of: directEndpoint ?? endpoint))
            try await store.checkTables()
            return store
        }
    }

    /// Runs `body` with failures that name the setting, or what the provider wants.
    private func hinting(_ body: () async throws -> PostgresStore) async throws -> PostgresStore {
        do {
            return try await body()
        } catch let error as SojournError where error.code == .storeUnavailable {
            guard let hint = endpoint.hint else { throw error }
            throw SojournError(.storeUnavailable, "\(error.message) \(hint)", underlying: error)
        } catch let error as PostgresError {
            throw SojournError(.invalidInput, "\(error)", field: "DATABASE_URL", underlying: error)
        }
    }

    /// Migrations go by the direct way, where there is one: they last, and want one connection to themselves.
    private func migrate(by store: PostgresStore) async throws {
        guard let directEndpoint else { return _ = try await store.migrate() }
        let direct = PostgresStore(try configuration(of: directEndpoint))
        defer { direct.close() }
        try await direct.migrate()
    }

    /// What the driver needs to know of one way to the database.
    private func configuration(of endpoint: Endpoint) throws -> PostgresConfiguration {
        let words = endpoint.keywords.sorted { $0.key < $1.key }.map { "\($0.key)='\($0.value.quoted)'" }
        var configuration = try PostgresConfiguration(url: words.joined(separator: " "))
        configuration.password = endpoint.password.forDriver
        configuration.connections = connections
        configuration.pooling =
            switch pooling {
            case .detect: .detect
            case .none: .none
            case .transaction: .transaction
            }
        return configuration
    }
}

extension PostgresSettings.PasswordSource {
    /// The same as the drivers take it, that of Redis too.
    var forDriver: DriverPassword {
        switch self {
        case .none: .none
        case .fixed(let secret): .fixed(secret.text)
        case .file(let path): .file(path)
        case .command(let command): .command(["/bin/sh", "-c", command])
        }
    }
}

extension String {
    /// The text within single quotes of a connection string (libpq, 34.1.1.1).
    fileprivate var quoted: String {
        replacing("\\", with: "\\\\").replacing("'", with: "\\'")
    }
}
