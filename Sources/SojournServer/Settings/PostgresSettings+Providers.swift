// SPDX-License-Identifier: Apache-2.0

// What is known of the hosts of providers whose databases have a trap that an error of libpq does not explain.

extension PostgresSettings {
    /// Where the certificates are had that Amazon signs its databases' with.
    static let amazonAuthorities = "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem"
}

extension PostgresSettings.Endpoint {
    /// What to add to the error where connecting fails; nil where nothing is known of such hosts.
    public var hint: String? {
        if let host = hosts.first(where: \.isSupabaseDirect) {
            return
                "\(host.name) has an IPv6 address only, unless its project paid for another: where there is no IPv6, "
                + "take the URL of the session pooler, with the user postgres.REF."
        }
        // Proxies have public certificates, databases do not.
        let isAmazon = hosts.contains { $0.isAmazon && !$0.name.contains(".proxy-") }
        if isAmazon, tlsMode >= .verifyCA, caFile == PostgresSettings.systemAuthorities {
            return
                "Amazon signs its databases' certificates itself: download \(PostgresSettings.amazonAuthorities) and "
                + "name that file in RDS_CA_FILE, or as sslrootcert in a URL."
        }
        return nil
    }

    /// What the user's name should look like, to follow "expected"; nil where it can be right. Supabase's pooler knows
    /// by the name, or by an option, which of its databases is meant.
    var expectedUser: String? {
        let isMissing = hosts.contains(where: \.isSupabasePooler) && !user.contains(".")
        return isMissing && parameters["options"] == nil ? "the user postgres.REF: Supabase's pooler wants it" : nil
    }
}

extension PostgresSettings.Pooling {
    /// Why a pooler by transactions stands before an endpoint for certain; nil where that is not known.
    func pooler(before endpoint: PostgresSettings.Endpoint) -> String? {
        switch self {
        case .none: nil
        case .transaction: "SOJOURN_PG_POOLING says that a pooler stands before it"
        case .detect:
            endpoint.hosts.contains(where: \.isSupabaseByTransaction)
                ? "port 6543 of Supabase is its pooler by transactions" : nil
        }
    }
}

extension PostgresSettings.Host {
    /// Whether it is a Supabase database itself.
    fileprivate var isSupabaseDirect: Bool {
        name.lowercased().hasPrefix("db.") && name.lowercased().hasSuffix(".supabase.co") && port != 6543
    }

    /// Whether it is the pooler that Supabase's projects share.
    fileprivate var isSupabasePooler: Bool { name.lowercased().hasSuffix(".pooler.supabase.com") }

    /// Whether it is a pooler of Supabase that hands connections on after each transaction.
    fileprivate var isSupabaseByTransaction: Bool {
        port == 6543 && (isSupabasePooler || name.lowercased().hasSuffix(".supabase.co"))
    }

    /// Whether it is a database or a proxy of Amazon RDS.
    fileprivate var isAmazon: Bool {
        [".rds.amazonaws.com", ".rds.amazonaws.com.cn"].contains(where: name.lowercased().hasSuffix)
    }
}
