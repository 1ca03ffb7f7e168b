// SPDX-License-Identifier: Apache-2.0

/// Where the server is, who we are there, and how patient we are.
public struct PostgresConfiguration: Sendable {
    /// A place where a server may be.
    public struct Host: Sendable, Hashable {
        /// A host name, an address, or the folder of a Unix socket (it begins with a slash).
        public var name: String
        /// The port, also of a Unix socket. Default: 5432.
        public var port: Int

        /// The server at `name` and `port`.
        public init(_ name: String, port: Int = 5432) {
            self.name = name
            self.port = port
        }
    }

    /// What stands between us and the server.
    public enum Pooling: Sendable, Hashable {
        /// Found out: by port 6543, by a host under `pooler.supabase.com`, or by the first connection, whose process
        /// id in the handshake is not the server's where a pooler made it up. The default.
        case detect
        /// Nothing, or a pooler in session mode.
        case none
        /// A pooler in transaction mode: nothing outlives a transaction there.
        case transaction
    }

    /// Where servers may be, tried in this order, each for `connectTimeout`.
    public var hosts: [Host]
    /// The database's name.
    public var database: String
    /// The role to connect as.
    public var user: String
    /// Asked anew for every connection. Default: none.
    public var password = PostgresPassword.none
    /// Encryption. Default: if the server offers it.
    public var tls = PostgresTLS()
    /// What `pg_stat_activity` shows. Default: `sojourn`.
    public var applicationName = "sojourn"
    /// Pipelined connections that all callers share, called lanes. Default: 2, the best on two cores.
    public var connections = 2
    /// Most connections for transactions and what runs alone, beside the lanes. Default: 4.
    public var leasesMax = 4
    /// Most callers that wait for a lane, over all lanes, and most that wait for a lease. Default: 10,000.
    public var queueMax = 10_000
    /// Most units that a lane sends ahead of the server's answers. Default: 64; behind a transaction pooler always 1.
    public var inFlightMax = 64
    /// Most statements that a connection keeps prepared. Default: 256.
    public var preparedMax = 256
    /// Most time to connect to one host. Default: 5 s.
    public var connectTimeout = Duration.seconds(5)
    /// Most time from the call to its answer. A server that says nothing for this long while it owes something costs
    /// the connection. Default: 10 s.
    public var answerTimeout = Duration.seconds(10)
    /// Most time the server may spend on a statement; nil leaves it to the server's own setting, as a transaction
    /// pooler does always for shared lanes. Default: nil.
    public var statementTimeout: Duration?
    /// How long a connection for transactions is kept unused. Default: 5 min.
    public var idleTimeout = Duration.seconds(300)
    /// How long callers wait through an outage before each failed attempt to connect fails them. Default: 2.5 s, which
    /// outlasts a quick restart of the server.
    public var outageGrace = Duration.seconds(2.5)
    /// What stands between us and the server. Default: found out.
    public var pooling = Pooling.detect
    /// Whether only a server that accepts writes will do. Default: where there are several hosts.
    public var targetsPrimary: Bool
    /// Run-time parameters of the server that every session sets for itself, by name; none where a transaction pooler
    /// stands between. Default: none.
    public var sessionSettings: [String: String] = [:]
    /// Further parameters of libpq as they are, from the URL: certificates, keepalives and the like.
    var passedOn: [String: String] = [:]

    /// The server at `hosts`, with everything else at its default.
    public init(hosts: [Host], database: String, user: String) {
        self.hosts = hosts
        self.database = database
        self.user = user
        targetsPrimary = hosts.count > 1
    }
}

/// How the connection is encrypted and the server identified.
public struct PostgresTLS: Sendable, Hashable {
    /// libpq's `sslmode`.
    public enum Mode: String, Sendable, Hashable {
        /// Never.
        case disable
        /// If the server offers it; nothing is verified.
        case prefer
        /// Always; nothing is verified, unless there is a CA file.
        case require
        /// Always, and the server's certificate is signed by the CA.
        case verifyCA = "verify-ca"
        /// Always, and the certificate names the host as well.
        case verifyFull = "verify-full"
    }

    /// How much is asked of the server. Default: `prefer`.
    public var mode: Mode
    /// The certificates to trust, as PEM. Where nil, and the server is to be verified, the system's are trusted.
    public var caFile: String?

    /// Encryption in `mode`, trusting what `caFile` holds.
    public init(mode: Mode = .prefer, caFile: String? = nil) {
        self.mode = mode
        self.caFile = caFile
    }
}

extension PostgresConfiguration {
    /// Why nothing can be done with it, or nil.
    var mistake: PostgresError? {
        let sentence: String? =
            if hosts.isEmpty {
                "There is no host to connect to."
            } else if let host = hosts.first(where: { !(1...65_535).contains($0.port) }) {
                "The port \(host.port) of the host \(host.name) is not between 1 and 65535."
            } else if connections < 1 || leasesMax < 1 || queueMax < 1 || inFlightMax < 1 || preparedMax < 1 {
                "connections, leasesMax, queueMax, inFlightMax and preparedMax must be at least 1."
            } else if connectTimeout <= .zero || answerTimeout <= .zero || idleTimeout <= .zero {
                "connectTimeout, answerTimeout and idleTimeout must be more than nothing."
            } else {
                nil
            }
        return sentence.map { PostgresError(.configuration, $0) }
    }

    /// Whether the address alone tells that a transaction pooler is there.
    var looksPooled: Bool {
        hosts.contains { $0.port == 6543 || $0.name.hasSuffix(".pooler.supabase.com") && $0.port != 5432 }
    }
}
