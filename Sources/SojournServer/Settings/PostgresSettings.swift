// SPDX-License-Identifier: Apache-2.0

/// A PostgreSQL database and how it is used (C2): values alone, which whoever composes the store hands to the driver.
public struct PostgresSettings: Sendable, Hashable {
    /// Where sessions are kept (`DATABASE_URL`, or `DB_TYPE` with its variables).
    public var endpoint: Endpoint
    /// The same database without a pooler between (`SOJOURN_PG_DIRECT_URL`), for migrations, LISTEN and partitions;
    /// nil where `endpoint` serves for them too.
    public var directEndpoint: Endpoint?
    /// Whether a pooler stands before `endpoint` (`SOJOURN_PG_POOLING`).
    public var pooling = Pooling.detect
    /// How many connections are shared by all callers (`SOJOURN_PG_CONNECTIONS`), from 1 to 64. Calls are folded, so
    /// few are fastest.
    public var connections = 2
    /// Whether the server brings the tables up to date when it starts (`SOJOURN_PG_MIGRATE`); `sojourn init` does
    /// it in any case.
    public var migratesAtStart = true

    /// A database, used by the defaults.
    public init(endpoint: Endpoint) {
        self.endpoint = endpoint
    }
}

extension PostgresSettings {
    /// One way to a database, as libpq understands it.
    public struct Endpoint: Sendable, Hashable {
        /// The servers, tried in order; at least one.
        public var hosts: [Host]
        /// The database's name.
        public var database: String
        /// The user to log in as.
        public var user: String
        /// Where the password comes from.
        public var password = PasswordSource.none
        /// How the connection is secured; what libpq does where nothing is said.
        public var tlsMode = TLSMode.prefer
        /// The path of the certificates of the authorities that are believed (`sslrootcert`); nil for libpq's own
        /// `~/.postgresql/root.crt`.
        public var caFile: String?
        /// What else the URL's query said, by libpq's keywords, as in `connect_timeout`.
        public var parameters: [String: String] = [:]

        /// A way to a database, without a password.
        public init(hosts: [Host], database: String, user: String) {
            self.hosts = hosts
            self.database = database
            self.user = user
        }
    }

    /// One server.
    public struct Host: Sendable, Hashable {
        /// The port where nothing is said.
        public static let portDefault = 5432

        /// A name, an address without brackets, or the absolute path of the folder of its Unix socket.
        public var name: String
        /// Its port, from 1 to 65535.
        public var port: Int

        /// A server, by default on PostgreSQL's own port.
        public init(_ name: String, port: Int = Self.portDefault) {
            self.name = name
            self.port = port
        }
    }

    /// Where a password comes from.
    public enum PasswordSource: Sendable, Hashable {
        /// Nowhere: the server asks for none, or libpq finds it in `~/.pgpass`.
        case none
        /// It stood in the settings.
        case fixed(Secret)
        /// The file at that path holds it, a line break at its end not counted; read again for each connection, so
        /// that it may be changed.
        case file(path: String)
        /// That shell command prints it, a line break at its end not counted; run again for each connection, since
        /// what an identity service gives out lives for minutes (AWS IAM: 15).
        case command(String)
    }

    /// How a connection is secured, weakest first; libpq's words.
    public enum TLSMode: String, Sendable, Hashable, CaseIterable {
        /// Never by TLS.
        case disable
        /// By TLS where the server can, else without.
        case prefer
        /// By TLS, with whoever answers.
        case require
        /// By TLS, with a server that has a certificate of a believed authority.
        case verifyCA = "verify-ca"
        /// By TLS, with a server that has such a certificate for its own name.
        case verifyFull = "verify-full"
    }

    /// Whether a pooler hands the connection to another client after each transaction.
    public enum Pooling: String, Sendable, Hashable, CaseIterable {
        /// The driver finds out.
        case detect
        /// There is none, or it keeps connections for whole sessions.
        case none
        /// There is one.
        case transaction
    }
}

extension PostgresSettings.TLSMode: Comparable {
    /// Whether the first asks for less.
    public static func < (first: Self, second: Self) -> Bool { first.rank < second.rank }

    /// The place among all modes, the weakest being 0.
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

extension PostgresSettings.Endpoint {
    /// All but the password by libpq's keywords, each set explicitly so that no `PG…` variable of the environment takes
    /// its place; for `PQconnectStartParams` with `expand_dbname` 0.
    public var keywords: [String: String] {
        var keywords = parameters
        keywords["host"] = hosts.map(\.name).joined(separator: ",")
        keywords["port"] = hosts.map { "\($0.port)" }.joined(separator: ",")
        keywords["dbname"] = database
        keywords["user"] = user
        keywords["sslmode"] = tlsMode.rawValue
        keywords["sslrootcert"] = caFile
        return keywords
    }
}

extension PostgresSettings.Endpoint: CustomStringConvertible {
    /// The URL for people and logs: `postgresql://user@host:5432/database?sslmode=prefer`, without the password.
    public var description: String {
        PostgresURL.text(user: user, hosts: hosts, database: database) + "?sslmode=\(tlsMode.rawValue)"
    }
}
