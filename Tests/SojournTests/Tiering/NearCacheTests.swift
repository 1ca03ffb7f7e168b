// SPDX-License-Identifier: Apache-2.0

import SojournTesting
import Testing

@testable import Sojourn

/// The near cache's decisions.
@Suite("The near cache") struct NearCacheTests {
    private let start = ContinuousClock.now

    private func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    private func id(_ number: UInt64) -> SessionID { SessionID(UUIDBytes(high: 0, low: number)) }

    /// A copy of a session that was asked for at the start.
    private func copy(_ number: UInt64) -> NearCache.Copy {
        let new = NewSession(id: id(number), digest: TestSecrets.digest(number))
        return NearCache.Copy(SessionRecord(new, at: ManualClock.start, user: .first), askedAt: start)
    }

    /// News that are here at once.
    private func news(
        _ ids: [UInt64] = [], era: Int64 = 1, isWhole: Bool = true, at milliseconds: Int, to cache: inout NearCache
    ) {
        let changes = ids.map { PendingChange(session: id($0), serial: Int64($0)) }
        let pending = PendingChanges(era: era, at: Timestamp(seconds: 0), changes: changes, isWhole: isWhole)
        _ = cache.read(pending, naming: changes, askedAt: after(milliseconds), at: after(milliseconds))
    }

    /// A cache that is told of changes and has news, with copies of sessions.
    private func cache(_ sessionsMax: Int, with ids: [UInt64] = []) -> NearCache {
        var tiering = Tiering()
        tiering.nearSessionsMax = sessionsMax
        var cache = NearCache(tiering)
        _ = cache.hear(.began)
        news(at: 0, to: &cache)
        for id in ids { put(id, in: &cache) }
        return cache
    }

    /// A place that nobody holds.
    private func place(_ number: UInt64, in cache: inout NearCache) throws -> NearCache.Place {
        let place = cache.place(for: id(number))
        return try #require(place)
    }

    /// Whether a reader would get a place.
    private func isFree(_ number: UInt64, _ cache: NearCache) -> Bool {
        var cache = cache
        return cache.place(for: id(number)) != nil
    }

    private func put(_ number: UInt64, in cache: inout NearCache) {
        if let place = cache.place(for: id(number)) { _ = cache.keep(copy(number), at: place) }
    }

    private func has(_ number: UInt64, _ cache: NearCache, at milliseconds: Int = 1) -> Bool {
        var cache = cache
        return cache.copy(of: id(number), at: after(milliseconds))?.record.session.id == id(number)
    }

    @Test("keeps no more than it may, and what was asked for lately", arguments: [2, 10, 1000])
    func bound(_ sessionsMax: Int) {
        var cache = cache(sessionsMax)
        for number in 0..<UInt64(sessionsMax * 10) {
            put(number, in: &cache)
            #expect(cache.count <= sessionsMax)
            #expect(has(number, cache))
            let first = cache.copy(of: id(0), at: start)
            #expect(first != nil || sessionsMax == 2)
        }
        #expect(cache.count >= sessionsMax / 2)
    }

    @Test("keeps a session once, however often it is read")
    func once() {
        var cache = cache(4, with: [1, 2, 3, 1, 2, 1])
        #expect(cache.count == 3)
        cache.drop([id(1)])
        #expect(!has(1, cache) && has(2, cache) && has(3, cache))
    }

    @Test("what was read before a change that was told of meanwhile is not kept")
    func places() throws {
        var cache = cache(10)
        let first = try place(1, in: &cache)
        #expect(!isFree(1, cache))
        _ = cache.hear(.changed([id(1), id(2)]))
        let second = try place(1, in: &cache)
        #expect(second != first)
        _ = cache.keep(copy(1), at: first)
        #expect(!has(1, cache))
        _ = cache.keep(copy(1), at: second)
        #expect(has(1, cache))
        // A place that is given back empty is free again.
        let third = try place(2, in: &cache)
        _ = cache.keep(nil, at: third)
        #expect(isFree(2, cache) && !has(2, cache))
    }

    @Test("an event about everything takes all, places too", arguments: [CacheEvent.began, .emptied, .lost])
    func all(_ event: CacheEvent) throws {
        var cache = cache(10, with: [1, 2])
        let place = try place(3, in: &cache)
        _ = cache.hear(event)
        _ = cache.keep(copy(3), at: place)
        #expect(cache.count == 0)
        #expect(isFree(1, cache) == (event != .lost))
    }

    @Test("keeps nothing unless it is to, nor before changes are told of")
    func off() {
        var on = Tiering()
        on.nearSessionsMax = 10
        let silent = NearCache(on)
        #expect(silent.isOn && !isFree(1, silent))
        for change: @Sendable (inout Tiering) -> Void in [
            { $0.phase = .shadow }, { $0.phase = .database }, { $0.nearSessionsMax = 0 }, { $0.touchFlush = .zero },
        ] {
            var tiering = on
            change(&tiering)
            var cache = NearCache(tiering)
            _ = cache.hear(.began)
            #expect(!cache.isOn && !isFree(1, cache))
        }
    }

    @Test("news take what they name, places too")
    func named() throws {
        var cache = cache(10, with: [1, 2])
        let place = try place(3, in: &cache)
        news([1, 3], isWhole: false, at: 100, to: &cache)
        _ = cache.keep(copy(3), at: place)
        #expect(!has(1, cache) && has(2, cache) && !has(3, cache))
    }

    @Test("another era, and a gap in the news that is longer than the lease, take all")
    func gaps() {
        var cache = cache(10, with: [1])
        news(at: 1000, to: &cache)
        #expect(has(1, cache))
        news(era: 2, at: 1001, to: &cache)
        #expect(!has(1, cache))
        put(1, in: &cache)
        // Only a whole reading ends a gap.
        news(era: 2, isWhole: false, at: 1900, to: &cache)
        #expect(has(1, cache))
        news(era: 2, at: 2002, to: &cache)
        #expect(!has(1, cache))
    }

    @Test("a copy is kept for as long as the cache may keep it")
    func life() {
        let cache = cache(10, with: [1])
        #expect(has(1, cache, at: 299_999) && !has(1, cache, at: 300_000))
    }
}
