// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import NIOCore
import Testing

@testable import SojournHTTP

/// Who the client is, behind proxies and not.
@Suite("The client's address") struct ClientAddressTests {
    private let address = ClientAddress(trusted: ["10.0.0.0/8", "fd00::/8"].compactMap { AddressRange($0) })

    @Test(
        "is the first, from our side, that is no trusted proxy",
        arguments: [
            ("192.0.2.1", nil, nil, "192.0.2.1"), ("192.0.2.1", "203.0.113.9", nil, "192.0.2.1"),
            ("10.0.0.1", nil, nil, "10.0.0.1"), ("10.0.0.1", "203.0.113.9", nil, "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4, 203.0.113.9", nil, "203.0.113.9"),
            ("10.0.0.1", "1.2.3.4, 203.0.113.9,10.9.9.9", nil, "203.0.113.9"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", nil, "10.0.0.3"), ("10.0.0.1", "unknown, 10.0.0.2", nil, "10.0.0.2"),
            ("10.0.0.1", "nonsense", nil, "10.0.0.1"), ("10.0.0.1", "203.0.113.9:4711", nil, "203.0.113.9"),
            ("10.0.0.1", "2001:db8::1", nil, "2001:db8::1"), ("10.0.0.1", "[2001:DB8::1]:80", nil, "2001:db8::1"),
            ("10.0.0.1", nil, "for=203.0.113.9;proto=https", "203.0.113.9"),
            ("10.0.0.1", nil, "for=1.1.1.1, proto=http; For=\"[2001:db8::1]:9\"", "2001:db8::1"),
            ("10.0.0.1", nil, "for=_hidden", "10.0.0.1"), ("10.0.0.1", "203.0.113.9", "for=203.0.113.9", "203.0.113.9"),
            ("10.0.0.1", "203.0.113.9", "for=1.2.3.4", "10.0.0.1"), ("fd00::1", "203.0.113.9", nil, "203.0.113.9"),
            ("::ffff:10.0.0.1", "203.0.113.9", nil, "203.0.113.9"),
        ] as [(String, String?, String?, String)])
    func resolves(peer: String, xForwardedFor: String?, forwarded: String?, client: String) {
        var headers = HTTPFields()
        headers[.xForwardedFor] = xForwardedFor
        headers[.forwarded] = forwarded
        #expect(address.resolve(peer: IPAddress(peer), headers: headers)?.description == client)
    }

    @Test("is read from the socket", arguments: ["192.0.2.1", "2001:db8::1"])
    func socket(text: String) throws {
        let socket = try SocketAddress(ipAddress: text, port: 80)
        #expect(socket.ipAddress.flatMap { IPAddress($0) } == IPAddress(text))
    }
}

/// How often a client may do something.
@Suite("Limits by client") struct ClientLimiterTests {
    private let start = ContinuousClock.now

    @Test("a client has a minute's worth at once, and then one at a time")
    func bucket() {
        let limiter = ClientLimiter(perMinute: 60)
        let client = IPAddress("192.0.2.1")
        for _ in 0..<60 { #expect(limiter.take(client, at: start) == nil) }
        #expect(limiter.take(client, at: start) == .seconds(1))
        #expect(limiter.take(IPAddress("192.0.2.2"), at: start) == nil)
        #expect(limiter.take(client, at: start + .seconds(1)) == nil)
        #expect(limiter.take(client, at: start + .seconds(1)) != nil)
        #expect(limiter.take(client, at: start + .seconds(60)) == nil)
    }

    @Test("an IPv6 client is its /64")
    func subscriber() {
        let limiter = ClientLimiter(perMinute: 1)
        #expect(limiter.take(IPAddress("2001:db8::1"), at: start) == nil)
        #expect(limiter.take(IPAddress("2001:db8::ffff:1"), at: start) != nil)
        #expect(limiter.take(IPAddress("2001:db8:0:1::1"), at: start) == nil)
        #expect(limiter.take(IPAddress("::ffff:192.0.2.1"), at: start) == nil)
        #expect(limiter.take(IPAddress("192.0.2.1"), at: start) != nil)
    }

    @Test("no more clients are remembered than may be")
    func bounded() {
        let limiter = ClientLimiter(perMinute: 1, clientsMax: 100)
        for number in 0..<1000 {
            _ = limiter.take(IPAddress("10.0.\(number / 250).\(number % 250)"), at: start)
            #expect(limiter.clientCount <= 100)
        }
        #expect(limiter.take(IPAddress("10.0.3.249"), at: start) != nil)
    }
}
