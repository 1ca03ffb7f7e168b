// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import PostgresDriver
internal import Sojourn
internal import SojournPostgres
internal import Synchronization

/// A second server for the tests: a PostgreSQL store in a process of its own.
///
/// `StoreWorker URL DATABASE CONNECTIONS` opens a store, reads requests from standard input and writes answers to
/// standard output, both one a line: a number, a space, and a `StoreCall` or its `Answer` as JSON. Requests are made as
/// they come, many at once, and answered as they end. It ends where its input ends: with the test, however that ended.
@main
struct Worker {
    private let store: PostgresStore
    /// Held by who writes a line.
    private static let output = Mutex(FileHandle.standardOutput)

    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let connections = Int(arguments[3]) else {
            throw BrokenAnswer(reason: "usage: StoreWorker URL DATABASE CONNECTIONS")
        }
        var configuration = try PostgresConfiguration(url: arguments[1])
        configuration.database = arguments[2]
        configuration.connections = connections
        // As in the tests' own stores: a busy machine may take long.
        configuration.answerTimeout = .seconds(60)
        // Standard output is for answers alone.
        let logger = Logger(label: "worker") { _ in SwiftLogNoOpLogHandler() }
        try await Worker(store: PostgresStore(configuration, logger: logger)).run()
    }

    private func run() async throws {
        let (lines, reader) = AsyncStream.makeStream(of: String.self)
        // A thread, as reading blocks; it ends with the input.
        Thread.detachNewThread {
            while let line = readLine() { reader.yield(line) }
            reader.finish()
        }
        try await withThrowingDiscardingTaskGroup { group in
            for await line in lines { group.addTask { try await answer(line) } }
        }
        store.close()
    }

    private func answer(_ line: String) async throws {
        let parts = line.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { throw BrokenAnswer(reason: "no request: \(line.prefix(40))") }
        let answer: any Encodable & Sendable
        do {
            let call = try JSONDecoder().decode(StoreCall.self, from: Data(parts[1].utf8))
            answer = await call.answer(of: store)
        } catch {
            answer = Answer<Bool>.broken("The request could not be read: \(error)")
        }
        let line = try Data("\(parts[0]) ".utf8) + JSONEncoder().encode(answer) + Data("\n".utf8)
        try Self.output.withLock { try $0.write(contentsOf: line) }
    }
}
