// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Lets each client do something so often a minute.
///
/// A token bucket per client: a minute's worth at once, then one each `60 s / perMinute`. Clients are kept in two
/// generations of at most `clientsMax / 2`: when the young one is full it becomes the old one, and the old one, which
/// nobody has asked about since, is dropped. So memory is bounded and every step costs the same.
final class ClientLimiter: Sendable {
    private struct Bucket {
        var tokens: Double
        var filledAt: ContinuousClock.Instant
    }

    private struct Buckets {
        var young: [UInt128?: Bucket] = [:]
        var old: [UInt128?: Bucket] = [:]
    }

    private let perMinute: Double
    private let generationMax: Int
    private let buckets = Mutex(Buckets())

    /// A limiter; `perMinute` of 0 lets everything pass.
    init(perMinute: Int, clientsMax: Int = 100_000) {
        self.perMinute = Double(perMinute)
        generationMax = max(1, clientsMax / 2)
    }

    /// Takes one from the client's bucket. Nil where there was one; else how long until there is.
    ///
    /// Clients without an address are one client.
    func take(_ client: IPAddress?, at now: ContinuousClock.Instant) -> Duration? {
        guard perMinute > 0 else { return nil }
        let client = client?.subscriber
        return buckets.withLock { buckets in
            var bucket = buckets.young[client] ?? buckets.old[client] ?? Bucket(tokens: perMinute, filledAt: now)
            bucket.tokens = min(perMinute, bucket.tokens + (now - bucket.filledAt) / .seconds(60) * perMinute)
            bucket.filledAt = now
            let isGranted = bucket.tokens >= 1
            if isGranted { bucket.tokens -= 1 }
            if buckets.young.count >= generationMax, buckets.young[client] == nil {
                buckets.old = buckets.young
                buckets.young = [:]
            }
            buckets.young[client] = bucket
            return isGranted ? nil : .seconds(60) * ((1 - bucket.tokens) / perMinute)
        }
    }

    /// How many clients are remembered, for tests.
    var clientCount: Int { buckets.withLock { $0.young.count + $0.old.count } }
}
