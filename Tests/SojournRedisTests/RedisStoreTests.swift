// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import RedisDriver
import Sojourn
import SojournTesting
import Testing

@testable import SojournRedis

/// What of the Redis store no suite for every store can see.
@Suite("The Redis store's own", .timeLimit(.minutes(10)))
struct RedisStoreTests {
    /// Runs `body` with a store that has a prefix of its own, and a client to look behind it.
    private func withStore(_ body: (RedisStore, RedisClient, Keys) async throws -> Void) async throws {
        let configuration = try RedisUnderTest.configuration()
        let prefix = "test:\(UUID())"
        let store = RedisStore(configuration, prefix: prefix)
        let client = RedisClient(configuration, logger: .init(label: "test"))
        try await body(store, client, Keys(prefix: prefix))
        store.close()
        client.close()
    }

    private func draft(_ user: UserID? = nil, life: Duration = .seconds(600), renewal: Renewal = .fixed) -> NewSession {
        NewSession(
            id: SessionID(at: SystemWallClock().now, random: .system),
            digest: SecretDigest(bytes: (0..<32).map { _ in .random(in: 0...255) }), userID: user,
            policy: SessionPolicy(life: life, renewal: renewal))
    }

    private func begin(_ new: NewSession, in store: RedisStore) async throws -> Session {
        try await store.create([new])[0].get()
    }

    /// The bytes that base64url text stands for.
    private func decoded(_ text: [UInt8]) -> [UInt8]? {
        let text = String(decoding: text, as: UTF8.self).replacing("-", with: "+").replacing("_", with: "/")
        return Data(base64Encoded: text + String(repeating: "=", count: (4 - text.count % 4) % 4)).map(Array.init)
    }

    private func secondsLeft(_ key: String, _ client: RedisClient) async throws -> Int {
        try await client.send(RedisCommand("PTTL", key: key)).int() / 1000
    }

    @Test("every key of a session goes an hour after its expiry, and an hour after its end")
    func keysExpire() async throws {
        try await withStore { store, client, keys in
            _ = try await store.put([Item(id: 1, name: "kimchi", category: nil)])
            let new = draft()
            let access = SessionAccess.digest(new.id, try #require(new.digest))
            _ = try await begin(new, in: store)
            _ = try await store.add([1], to: access, holdMax: 5)
            for key in keys.session(new.id) { #expect((4100...4200).contains(try await secondsLeft(key, client))) }
            _ = try await store.extend(access, by: .seconds(6000))
            for key in keys.session(new.id) { #expect((9500...9600).contains(try await secondsLeft(key, client))) }
            #expect(try await store.end([access]) == [true])
            for key in keys.session(new.id) { #expect((3500...3600).contains(try await secondsLeft(key, client))) }
        }
    }

    @Test("a session that expires by the server's clock opens no more, and its keys go by themselves")
    func expires() async throws {
        try await withStore { store, client, keys in
            let new = draft(life: .seconds(1))
            let access = SessionAccess.digest(new.id, try #require(new.digest))
            let session = try await begin(new, in: store)
            while try await store.validate(access) != nil { try await Task.sleep(for: .milliseconds(20)) }
            #expect(try await store.time() >= session.expiresAt)
            #expect(try await store.find([.trusted(new.id, as: .cli)])[0]?.status == .expired)
            #expect((3500...3600).contains(try await secondsLeft(keys.session(new.id)[0], client)))
        }
    }

    @Test("no token and no secret is in any key or value (law 10)")
    func keepsNoSecret() async throws {
        try await withStore { store, client, keys in
            let sessions = Sessions(store: store)
            let issued = try await sessions.create(SessionDraft())
            let rotated = try await sessions.rotate(issued.token)
            let secrets = [issued.token.text, rotated.token.text].map { Array($0.utf8) }
            let all = [keys.session(issued.session.id), keys.catalogue, (0..<Keys.listCount).map { keys.list($0) }]
            var looked = 0
            for key in all.joined() {
                let dump = try await client.send(RedisCommand("DUMP", key: key))
                guard !dump.isNull else { continue }
                looked += 1
                let bytes = try dump.bytes()
                for secret in secrets {
                    let raw = try #require(decoded(secret))
                    for hidden in [secret, Array(raw[16...])] { #expect(bytes.firstRange(of: hidden) == nil) }
                }
            }
            #expect(looked >= 3)
        }
    }

    @Test("lists lose the sessions that are gone: a user's where it is read, that of all by the sweep")
    func listsLoseTheDead() async throws {
        try await withStore { store, client, keys in
            let user = UserID(stored: "visitor {1}")
            let (gone, left) = (draft(user), draft(user))
            for new in [gone, left] { _ = try await begin(new, in: store) }
            _ = try await client.send(RedisCommand("DEL", key: keys.session(gone.id)[0]))
            let filter = SessionFilter(userID: user)
            #expect(
                try await store.sessions(matching: filter, page: PageRequest()).items.map(\.session.id) == [left.id])
            #expect(try await client.send(RedisCommand("ZCARD", key: keys.user(user)[1])).int() == 1)
            #expect(try await store.sweep(SweepOrder()) == SweepOutcome())
            #expect(try await client.send(RedisCommand("ZSCORE", key: keys.list(of: gone.id), [gone.id.member])).isNull)
            #expect(
                try await !client.send(RedisCommand("ZSCORE", key: keys.list(of: left.id), [left.id.member])).isNull)
        }
    }

    @Test("the sweep's lap ends inactive sessions on every list, however small its steps")
    func sweepsInactive() async throws {
        let clock = ManualClock()
        let configuration = try RedisUnderTest.configuration()
        let store = RedisStore(configuration, prefix: "test:\(UUID())", clock: clock)
        var ids: Set<SessionID> = []
        for _ in 0..<40 {
            let new = draft(life: .hours(1))
            _ = try await begin(new, in: store)
            _ = try await store.extend(.trusted(new.id, as: .cli), by: .days(9))
            ids.insert(new.id)
        }
        clock.advance(by: .hours(25))
        var lap = SweepLap.begin
        var ended = 0
        while true {
            let outcome = try await store.sweep(SweepOrder(batchMax: 7, lap: lap))
            #expect(outcome.inactive <= 7)
            ended += outcome.inactive
            guard let next = outcome.lapNext else { break }
            lap = .after(next)
        }
        #expect(ended == 40)
        let page = try await store.sessions(matching: SessionFilter(status: .ended), page: PageRequest(limit: 100))
        #expect(Set(page.items.map(\.session.id)) == ids)
        store.close()
    }

    @Test("a session whose beginning was interrupted is nobody's and goes by itself")
    func interruptedBeginning() async throws {
        try await withStore { store, client, keys in
            let new = draft(UserID(stored: "somebody"))
            let names = keys.session(new.id)
            _ = try await client.send(
                .script(
                    store.scripts.create, keys: [names[0], names[2]],
                    ["", "token", 600_000_000, "", "1"] + SessionHash.fields(of: new)))
            let access = SessionAccess.trusted(new.id, as: .service)
            #expect(try await store.validate(access) == nil)
            #expect(try await store.find([access]) == [nil])
            #expect(try await store.facts(of: new.id) == nil)
            #expect(try await store.delete(new.id) == false)
            #expect(try await store.end([access]) == [false])
            #expect((0...10).contains(try await secondsLeft(names[0], client)))
        }
    }

    @Test("another process's writes are seen: a user bound there is known here, and so is the raise of its epoch")
    func sharesWithOthers() async throws {
        let configuration = try RedisUnderTest.configuration()
        let prefix = "test:\(UUID())"
        let (here, there) = (
            RedisStore(configuration, prefix: prefix), RedisStore(configuration, prefix: prefix)
        )
        let new = draft()
        let access = SessionAccess.digest(new.id, try #require(new.digest))
        _ = try await begin(new, in: here)
        #expect(try await here.validate(access)?.userID == nil)
        let user = UserID(stored: "u")
        let second = SecretDigest(bytes: [UInt8](repeating: 9, count: 32))
        _ = try await there.bind(.trusted(new.id, as: .service), to: user, digest: second, sessionsPerUserMax: nil)
        #expect(try await here.validate(access) == nil)
        #expect(try await here.validate(.digest(new.id, second))?.userID == user)
        #expect(try await there.endAll(of: user, by: .service) == 1)
        #expect(try await here.validate(.digest(new.id, second)) == nil)
        here.close()
        there.close()
    }

    @Test("a fact past the 64th drops the oldest, and is counted")
    func foldsFacts() async throws {
        try await withStore { store, _, _ in
            let new = draft(life: .hours(1))
            _ = try await begin(new, in: store)
            for _ in 0..<70 { _ = try await store.extend(.trusted(new.id, as: .cli), by: .hours(2)) }
            let facts = try #require(try await store.facts(of: new.id))
            #expect(facts.facts.count == 64 && facts.folded == 7)
        }
    }

    @Test("a check looks at every primary of a cluster, and says of which it speaks")
    func checksEveryPrimary() async throws {
        let store = RedisStore(try RedisUnderTest.configuration("_CLUSTER"), prefix: "test:\(UUID())")
        let findings = try await store.integrity().findings
        let servers = Set(findings.compactMap { $0.check.split(separator: " ").last })
        #expect(findings.count == 9 && servers.count == 3, "\(findings)")
        store.close()
    }

    @Test(
        "check says what a server's settings mean for sessions",
        arguments: [
            (["maxmemory": "0", "maxmemory_policy": "noeviction", "save": ""], [true, true, true]),
            (["maxmemory": "100", "maxmemory_policy": "allkeys-lru", "save": ""], [false, true, true]),
            (["maxmemory": "100", "maxmemory_policy": "volatile-ttl", "evicted_keys": "3"], [false, false, true]),
            (["maxmemory": "0", "save": "3600 1 300 100"], [true, true, false]),
            (["aof_enabled": "1", "aof_last_write_status": "ok", "save": "3600 1"], [true, true, true]),
            (["aof_enabled": "1", "aof_last_write_status": "err"], [true, true, false]),
        ] as [([String: String], [Bool])])
    func findings(facts: [String: String], good: [Bool]) {
        #expect(RedisStore.findings(facts).map(\.isGood) == good)
    }
}
