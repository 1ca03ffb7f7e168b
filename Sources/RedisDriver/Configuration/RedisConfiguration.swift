// SPDX-License-Identifier: Apache-2.0

/// Where Redis is, who we are there, and how patient we are.
public struct RedisConfiguration: Sendable {
    /// A place where a server may be.
    public struct Host: Sendable, Hashable {
        /// A host name, an address, or the path of a Unix socket (it begins with a slash).
        public var name: String
        /// The port; it means nothing for a Unix socket. Default: 6379.
        public var port: Int

        /// The server at `name` and `port`.
        public init(_ name: String, port: Int = 6379) {
            self.name = name
            self.port = port
        }
    }

    /// What the hosts are.
    public enum Topology: Sendable, Hashable {
        /// One server; where there are several hosts, the first of them that is a primary.
        case single
        /// Nodes of a cluster, which know the others.
        case cluster
        /// Sentinels that know where the primary of this name is.
        case sentinel(master: String)
    }

    /// Where servers may be, tried in this order, each for `connectTimeout`.
    public var hosts: [Host]
    /// What the hosts are. Default: one server.
    public var topology = Topology.single
    /// The ACL user to authenticate as; nil for the server's default user. Default: nil.
    public var user: String?
    /// Asked anew for every connection. Default: none.
    public var password = RedisPassword.none
    /// The ACL user that the Sentinels know us as, who have users of their own; nil for their default user. Default: nil.
    public var sentinelUser: String?
    /// The password for the Sentinels, asked anew for every question. Default: none.
    public var sentinelPassword = RedisPassword.none
    /// The number of the database. Default: 0, the only one that a cluster has.
    public var database = 0
    /// Encryption. Default: none.
    public var tls: RedisTLS?
    /// What `CLIENT LIST` shows; without spaces. Default: `sojourn`.
    public var clientName = "sojourn"
    /// Pipelined connections to each server, which all callers share. Default: 2, so that the server is busy with one while
    /// the answers of the other are on their way; more are no faster on two cores.
    public var connections = 2
    /// Most commands that wait for an answer on one connection, sent or not. Default: 10,000.
    public var queueMax = 10_000
    /// Most time to connect to one host, with encryption and authentication. Default: 5 s.
    public var connectTimeout = Duration.seconds(5)
    /// Most time from the call to its answer. A server that owes an answer for this long costs the connection. Default:
    /// 5 s.
    public var answerTimeout = Duration.seconds(5)
    /// How long callers wait for a server that is gone, or still loading; zero to be told at once. Default: 2.5 s, which
    /// outlasts a quick restart.
    public var outageGrace = Duration.seconds(2.5)
    /// The time between two tests of a connection on which nothing else happens, so that one that is dead is noticed before
    /// it is needed. Default: 10 s.
    public var heartbeat = Duration.seconds(10)
    /// How much a server's answer may hold.
    public var limits = RedisLimits()

    /// The server at `hosts`, with everything else at its default.
    public init(hosts: [Host]) {
        self.hosts = hosts
    }
}

/// How much is accepted from a server in one answer. More ends the connection.
public struct RedisLimits: Sendable, Hashable {
    /// Most bytes of one string. Default: 64 MiB.
    public var bulkBytesMax = 64 << 20
    /// Most values in one answer, those within others counted. Default: 1,000,000.
    public var elementsMax = 1_000_000
    /// Most lists within each other. Default: 32.
    public var depthMax = 32
    /// Most bytes of one answer. Default: 128 MiB.
    public var answerBytesMax = 128 << 20

    /// The limits at their defaults.
    public init() {}
}

/// How the connection is encrypted and the two sides identified. Without it nothing is encrypted.
public struct RedisTLS: Sendable, Hashable {
    /// What must be true of the server's certificate.
    public enum Verification: String, Sendable, Hashable {
        /// It is signed by a trusted authority and names the host.
        case full = "verify-full"
        /// It is signed by a trusted authority, whatever it names.
        case withoutHostname = "verify-ca"
    }

    /// What must be true of the server's certificate. Default: all of it.
    public var verification: Verification
    /// The authorities to trust, as PEM. Default: the system's.
    public var caFile: String?
    /// Our own certificate, as PEM, with `keyFile`. Default: none.
    public var certificateFile: String?
    /// The key of our certificate, as PEM.
    public var keyFile: String?
    /// The name to ask for and to look for in the certificate. Default: the host's.
    public var serverName: String?

    /// Encryption to servers that are verified like this, by the authorities in `caFile`.
    public init(verification: Verification = .full, caFile: String? = nil) {
        self.verification = verification
        self.caFile = caFile
    }
}

extension RedisConfiguration {
    /// Why nothing can be done with it, or nil.
    var mistake: RedisError? {
        let sentence: String? =
            if hosts.isEmpty {
                "There is no host to connect to."
            } else if let host = hosts.first(where: { !(1...65_535).contains($0.port) }) {
                "The port \(host.port) of the host \(host.name) is not between 1 and 65535."
            } else if database < 0 || topology == .cluster && database != 0 {
                "The database's number must not be negative, and a cluster has only number 0."
            } else if connections < 1 || queueMax < 1 {
                "connections and queueMax must be at least 1."
            } else if connectTimeout <= .zero || answerTimeout <= .zero || heartbeat <= .zero {
                "connectTimeout, answerTimeout and heartbeat must be more than nothing."
            } else if outageGrace < .zero {
                "outageGrace must not be negative."
            } else if limits.bulkBytesMax < 1 || limits.elementsMax < 1 || limits.depthMax < 1
                || limits.answerBytesMax < 1
            {
                "Every limit must be at least 1."
            } else if !clientName.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
                "The client's name must be of printable characters of ASCII, without spaces."
            } else if (tls?.certificateFile == nil) != (tls?.keyFile == nil) {
                "A certificate of ours needs its key, and the other way round."
            } else {
                nil
            }
        return sentence.map { RedisError(.configuration, $0) }
    }
}
