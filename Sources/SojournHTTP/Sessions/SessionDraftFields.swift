// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

extension SessionDraft {
    /// A life in seconds: one second to ten years.
    static let lifeSeconds = 1...Duration.days(3653).components.seconds

    /// Reads a session to be created from a client's object.
    ///
    /// - Parameter isService: whether a service key asks, which may give more: a user, claims, a life, other types,
    ///   the visitor's address and agent.
    /// - Throws: `Problem` 403 naming what only a service key may give; 422 naming what is wrong.
    init(_ fields: inout Fields, isService: Bool) throws {
        self.init()
        func check(_ isGiven: Bool, _ name: String) throws {
            guard isGiven, !isService else { return }
            throw Problem.forbidden("Only a service key may give this.", field: fields.path(name))
        }
        if let type = try fields.choice("type", SessionType.self) { self.type = type }
        metadata = try fields.object("metadata") ?? [:]
        claims = try fields.object("claims") ?? [:]
        userID = try fields.user("user_id")
        if let seconds = try fields.integer("ttl_seconds") {
            guard Self.lifeSeconds.contains(seconds) else {
                throw fields.wrong("ttl_seconds", "a life of 1 second to 10 years, in seconds")
            }
            life = .seconds(seconds)
        }
        ipAddress = try fields.string("ip_address")
        if let text = ipAddress {
            guard let address = IPAddress(text) else { throw fields.wrong("ip_address", "an IPv4 or IPv6 address") }
            ipAddress = address.description
        }
        userAgent = try fields.string("user_agent")
        if userAgent?.utf8.contains(0) == true { throw fields.wrong("user_agent", "text without U+0000") }
        try fields.finish()
        try check(!SessionType.open.contains(type), "type")
        try check(!claims.isEmpty, "claims")
        try check(userID != nil, "user_id")
        try check(life != nil, "ttl_seconds")
        try check(ipAddress != nil, "ip_address")
        try check(userAgent != nil, "user_agent")
    }
}
