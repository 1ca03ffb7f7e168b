// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Sojourn
internal import Synchronization

/// Names requests, so that a client's complaint finds its line in the log.
final class RequestIDs: Sendable {
    /// Tells processes apart: eight hexadecimal digits.
    private let process: String
    private let count = Atomic<UInt64>(0)

    /// Names that begin with random digits of this process.
    init(random: RandomSource = .system) {
        process = Self.hex(random.next())
    }

    /// The name that the client, or a proxy before us, gave the request in `X-Request-Id`, where that is 1 to 128
    /// visible ASCII characters; else a new one.
    func id(for headers: HTTPFields) -> String {
        if let given = headers[.xRequestID], (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({ (33...126).contains($0) })
        {
            return given
        }
        return process + Self.hex(count.wrappingAdd(1, ordering: .relaxed).newValue)
    }

    /// The lower 32 bits in eight digits.
    private static func hex(_ word: UInt64) -> String {
        String(unsafeUninitializedCapacity: 8) { buffer in
            for index in 0..<8 {
                let nibble = UInt8(truncatingIfNeeded: word >> UInt64(28 - 4 * index) & 15)
                buffer[index] = nibble < 10 ? 48 + nibble : 87 + nibble
            }
            return 8
        }
    }
}
