// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Sojourn
import Synchronization

@testable import SojournSQLite

/// Runs `body` with the path of a database in a folder of its own, which is removed afterwards.
func withScratch<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sojourn-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder + "/data/sojourn.db")
}

/// Runs `body` with a fresh store of its own, closed and removed afterwards.
func withStore<Value>(
    clock: any WallClock = SystemWallClock(), _ body: (SQLiteStore) async throws -> Value
) async throws -> Value {
    try await withScratch { path in
        let store = try SQLiteStore(path: path, clock: clock)
        let value = try await body(store)
        try await store.close()
        return value
    }
}

extension Configuration {
    /// Of a connection that may leave its transaction open between two calls.
    static var unfinished: Configuration {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        return configuration
    }
}

/// A clock that stands until it is moved.
final class TestClock: WallClock {
    private let time = Mutex(Timestamp(seconds: 1_800_000_000))

    var now: Timestamp { time.withLock { $0 } }

    func advance(by step: Duration) {
        time.withLock { $0 = $0 + step }
    }
}

/// A new session's id and digest; every call gives another.
func fresh() -> SessionAccess {
    let digest = SecretDigest(bytes: (0..<32).map { _ in .random(in: 0...255) })
    return .digest(SessionID(at: SystemWallClock().now, random: .system), digest)
}

extension SQLiteStore {
    /// Creates a session that `fresh()` named, and returns the access to it.
    func begin(
        _ user: String? = nil, type: SessionType = .web, policy: SessionPolicy = SessionPolicy(), cap: Int? = nil
    ) async throws -> SessionAccess {
        let access = fresh()
        let new = NewSession(
            id: access.id, digest: access.digest, userID: user.flatMap { UserID($0) }, type: type, policy: policy,
            sessionsPerUserMax: cap)
        _ = try await create([new])[0].get()
        return access
    }
}

/// The code of what `body` throws; nil where it returns.
func code(of body: () async throws -> some Any) async -> SojournError.Code? {
    do {
        _ = try await body()
        return nil
    } catch {
        return (error as? SojournError)?.code
    }
}

/// A place where a job on the writer's thread stands until a test lets it go.
final class Gate: Sendable {
    private let isHere = AsyncStream<Void>.makeStream()
    private let isOpen = DispatchSemaphore(value: 0)

    /// For the job: says that it is here and waits for `open`.
    func wait() {
        isHere.continuation.finish()
        isOpen.wait()
    }

    /// For the test: waits until the job stands at the gate.
    func reached() async {
        for await _ in isHere.stream {}
    }

    /// Lets the job go on.
    func open() {
        isOpen.signal()
    }
}

extension FoldingWriter {
    /// Returns once `count` callers wait behind the transaction that is under way.
    func waiting(_ count: Int) async {
        while waitingCount < count { await Task.yield() }
    }
}

/// A count that several tasks add to.
final class Tally: Sendable {
    private let value = Mutex(0)

    var count: Int { value.withLock { $0 } }

    func add() {
        value.withLock { $0 += 1 }
    }
}
