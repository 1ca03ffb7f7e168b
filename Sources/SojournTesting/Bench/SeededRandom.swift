// SPDX-License-Identifier: Apache-2.0

public import Sojourn
internal import Synchronization

/// SplitMix64: a small generator whose every draw follows from its seed. Not fit for secrets outside tests.
public struct SeededRandom: RandomNumberGenerator, Sendable, Hashable {
    private var state: UInt64

    /// A generator that begins at `seed`; near seeds give unrelated draws.
    public init(seed: UInt64) {
        state = seed
    }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension RandomSource {
    /// A source of ids and secrets that a seed decides.
    public static func seeded(_ seed: UInt64) -> RandomSource {
        let generator = SharedRandom(seed: seed)
        return RandomSource { generator.next() }
    }
}

/// A seeded generator that many callers draw from.
private final class SharedRandom: Sendable {
    private let generator: Mutex<SeededRandom>

    init(seed: UInt64) {
        generator = Mutex(SeededRandom(seed: seed))
    }

    func next() -> UInt64 { generator.withLock { $0.next() } }
}

/// Digests to stand for secrets where a test works below the façade and needs no real token.
public enum TestSecrets {
    /// The digest with this number: 32 bytes, another for every number.
    public static func digest(_ number: UInt64) -> SecretDigest {
        var random = SeededRandom(seed: number)
        return SecretDigest(bytes: (0..<32).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    }
}
