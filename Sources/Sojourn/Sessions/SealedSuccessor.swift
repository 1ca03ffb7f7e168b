// SPDX-License-Identifier: Apache-2.0

internal import Crypto
internal import Foundation

/// How a rotation can be repeated (S5): the successor's secret is kept, for the ten seconds of grace, sealed under the
/// secret that it replaced. Whoever can show the old secret gets the same successor; the store alone can read nothing.
///
/// AES-256-GCM with a random nonce; the key is HKDF-SHA256 of the old secret, bound to the session's id.
struct SealedSuccessor: Sendable, Hashable {
    /// Nonce, ciphertext and tag, as stores keep them.
    let bytes: [UInt8]

    /// A sealed secret from a store.
    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Seals `successor` so that only a holder of `old` can open it.
    init(_ successor: SessionToken, under old: SessionToken) throws {
        let box = try AES.GCM.seal(successor.secret.bits.bytes, using: Self.key(old), authenticating: old.id.uuid.bytes)
        // `combined` is nil only for nonces that are not 12 bytes long; ours is the default.
        guard let combined = box.combined else { throw SojournError(.storeDamaged, "A successor could not be sealed.") }
        bytes = Array(combined)
    }

    /// The successor that was sealed under `old`.
    ///
    /// - Throws: `SojournError` with code `storeDamaged` where the bytes were not sealed under this secret.
    func open(with old: SessionToken) throws -> SessionToken {
        do {
            let box = try AES.GCM.SealedBox(combined: bytes)
            let plain = try AES.GCM.open(box, using: Self.key(old), authenticating: old.id.uuid.bytes)
            guard let bits = UUIDBytes(bytes: plain) else { throw CryptoKitError.incorrectParameterSize }
            return SessionToken(id: old.id, secret: SessionSecret(bits: bits))
        } catch {
            throw SojournError(.storeDamaged, "A session's successor could not be read.", underlying: error)
        }
    }

    private static func key(_ old: SessionToken) -> SymmetricKey {
        HKDF<SHA256>.deriveKey(
            inputKeyMaterial: SymmetricKey(data: old.secret.bits.bytes), salt: old.id.uuid.bytes,
            info: Array("sojourn successor 1".utf8), outputByteCount: 32)
    }
}
