// SPDX-License-Identifier: Apache-2.0
import Foundation
import PostgresDriver
import Testing

/// LISTEN against a real server.
@Suite("Events", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct EventTests {
    /// A channel of this test alone.
    let channel = "t\" \(UInt32.random(in: 0 ... .max))"

    /// Notifies the channel.
    private func notify(_ client: PostgresClient, _ payload: String) async throws {
        var arguments = PostgresArguments()
        arguments.append(text: channel)
        arguments.append(text: payload)
        _ = try await client.query(PostgresCall(PostgresStatement("SELECT pg_notify($1, $2)"), arguments))
    }

    @Test("what is notified after .established arrives, in order") func roundTrip() async throws {
        try await TestServer.withClient { client in
            var events = try await client.listen(to: channel).makeAsyncIterator()
            #expect(await events.next() == .established)
            try await notify(client, "one")
            try await notify(client, "")
            #expect(await events.next() == .notification(payload: "one"))
            #expect(await events.next() == .notification(payload: ""))
        }
    }

    @Test("a lost connection is told, made again, and told") func lostAndFound() async throws {
        try await TestServer.withClient {
            $0.applicationName = "listening"
        } _: { client in
            var events = try await client.listen(to: channel).makeAsyncIterator()
            #expect(await events.next() == .established)
            let ended = try await client.query(
                PostgresCall(
                    PostgresStatement(
                        """
                        SELECT pg_terminate_backend(a.pid)
                        FROM pg_stat_activity AS a
                        WHERE a.application_name = 'listening'
                            AND a.pid <> pg_backend_pid()
                            AND a.query LIKE 'NOTIFY%'
                        """)))
            #expect(!ended.isEmpty)
            #expect(await events.next() == .lost)
            #expect(await events.next() == .established)
            try await notify(client, "two")
            #expect(await events.next() == .notification(payload: "two"))
        }
    }

    @Test("the heartbeat notices nothing while all is well") func heartbeat() async throws {
        try await TestServer.withClient { client in
            var events = try await client.listen(to: channel, heartbeat: .milliseconds(5)).makeAsyncIterator()
            #expect(await events.next() == .established)
            for number in 0..<50 { try await notify(client, String(number)) }
            for number in 0..<50 { #expect(await events.next() == .notification(payload: String(number))) }
        }
    }

    @Test("closing the client ends the sequence") func ends() async throws {
        try await TestServer.withClient { client in
            var events = try await client.listen(to: channel).makeAsyncIterator()
            #expect(await events.next() == .established)
            client.close()
            #expect(await events.next() == nil)
        }
    }

    @Test("a name that PostgreSQL would cut is refused", arguments: ["", String(repeating: "x", count: 64), "a\0b"])
    func name(channel: String) async throws {
        try await TestServer.withClient { client in
            await expectFailure(.invalidArgument) { try await client.listen(to: channel) }
        }
    }
}
