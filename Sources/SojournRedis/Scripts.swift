// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
internal import Sojourn

/// The scripts that decide in the server: each is atomic, and all keys of a call carry one tag, so that they share a
/// slot of a cluster.
struct Scripts: Sendable {
    let validate, read, create, write, hold, add, remove, delete: RedisScript
    let enroll, unlock, raise, revoke, put: RedisScript
    let leave, bring, holdBack: RedisScript

    /// The scripts of a store that keeps sessions for `keeping` after their end or expiry.
    init(keeping: Duration) {
        let milliseconds = keeping.components.seconds * 1000
        let prelude = "local KEPT = \(milliseconds)\n" + String(decoding: PackageResources.prelude_lua, as: UTF8.self)
        let fields = SessionHash.names.map { "'\($0)'" }.joined(separator: ", ")
        func script(_ body: [UInt8]) -> RedisScript {
            RedisScript((prelude + String(decoding: body, as: UTF8.self)).replacing(" FIELDS)", with: " \(fields))"))
        }
        validate = script(PackageResources.validate_lua)
        read = script(PackageResources.read_lua)
        create = script(PackageResources.create_lua)
        write = script(PackageResources.write_lua)
        hold = script(PackageResources.hold_lua)
        add = script(PackageResources.add_lua)
        remove = script(PackageResources.remove_lua)
        delete = script(PackageResources.delete_lua)
        enroll = script(PackageResources.enroll_lua)
        unlock = script(PackageResources.unlock_lua)
        raise = script(PackageResources.raise_lua)
        revoke = script(PackageResources.revoke_lua)
        put = script(PackageResources.put_lua)
        leave = script(PackageResources.leave_lua)
        bring = script(PackageResources.bring_lua)
        holdBack = script(PackageResources.hold_back_lua)
    }
}
