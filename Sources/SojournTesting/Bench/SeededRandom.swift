// SPDX-License-Identifier: Apache-2.0

public import Sojourn
internal import Synchronization

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
