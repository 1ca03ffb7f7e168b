// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HelperProcess
internal import Testing

/// Brokers of one test alone: a `MockKafka` that runs beside the tests.
///
/// It is not Kafka: it keeps about 5 MiB a partition, finds no offsets by time, makes topics by itself but not by order, moves no
/// leaders, and waits for a member that has left its group until the session is over.
package final class MockCluster: Sendable {
    /// Addresses of all brokers. They have the numbers 1, 2, 3, ….
    package let brokers: [String]
    private let process: HelperProcess
    /// Commands block, one after the other, and not one of Swift's own threads.
    private let line = DispatchQueue(label: "MockKafka")

    /// Lends a running cluster and puts it away.
    ///
    /// - Parameters:
    ///   - brokers: How many.
    ///   - topics: Names and numbers of partitions.
    package static func run(
        brokers: Int = 3, topics: [String: Int] = ["orders": 9], _ body: (MockCluster) async throws -> Void
    ) async throws {
        let cluster = try await withCheckedThrowingContinuation { continuation in
            // A thread, as starting it blocks; so does its end.
            Thread.detachNewThread {
                continuation.resume(with: Result { try MockCluster(brokers: brokers, topics: topics) })
            }
        }
        do { try await body(cluster) } catch {
            await cluster.putAway()
            throw error
        }
        await cluster.putAway()
    }

    private init(brokers: Int, topics: [String: Int]) throws {
        process = try HelperProcess("MockKafka", ["\(brokers)"] + topics.map { "\($0)=\($1)" })
        let addresses = Self.line(from: process.socket)
        self.brokers = addresses.split(separator: ",").map { String($0) }
        guard self.brokers.count == brokers else { throw StartFailure(said: addresses) }
    }

    private func putAway() async {
        close(process.socket)
        _ = await process.exitStatus()
    }

    /// Breaks the connections of a broker and takes no more.
    package func takeDown(_ broker: Int) async throws { try await tell("down", "\(broker)") }

    /// Takes connections again.
    package func bringUp(_ broker: Int) async throws { try await tell("up", "\(broker)") }

    /// Makes a broker the leader of a partition.
    package func move(_ topic: String, _ partition: Int, to broker: Int) async throws {
        try await tell("leader", topic, "\(partition)", "\(broker)")
    }

    /// Makes a broker the coordinator of a group.
    package func coordinate(_ group: String, by broker: Int) async throws {
        try await tell("coordinator", group, "\(broker)")
    }

    /// Lets a broker take its time for each answer.
    package func delay(_ broker: Int, milliseconds: Int) async throws {
        try await tell("rtt", "\(broker)", "\(milliseconds)")
    }

    /// Answers the next requests of a kind with an error.
    package func fail(_ request: Request, with code: Int, times: Int = 1) async throws {
        try await tell(["errors", "\(request.rawValue)"] + Array(repeating: "\(code)", count: times))
    }

    /// Kinds of requests, by Kafka's numbers.
    package enum Request: Int {
        case produce = 0
        case fetch = 1
        case offsetCommit = 8
        case joinGroup = 11
        case heartbeat = 12
        case syncGroup = 14
        case initProducerID = 22
    }

    private func tell(_ words: String...) async throws { try await tell(words) }

    private func tell(_ words: [String]) async throws {
        let answer: String = await withCheckedContinuation { continuation in
            line.async { [socket = process.socket] in
                let command = Array((words.joined(separator: " ") + "\n").utf8)
                _ = send(socket, command, command.count, Int32(MSG_NOSIGNAL))
                continuation.resume(returning: Self.line(from: socket))
            }
        }
        try #require(answer == "ok", "\(words.joined(separator: " ")): \(answer)")
    }

    /// Blocks until a line has come, or the other end is gone.
    private static func line(from socket: Int32) -> String {
        var bytes: [UInt8] = []
        var byte: UInt8 = 0
        while true {
            let count = read(socket, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1, byte != UInt8(ascii: "\n") else { break }
            bytes.append(byte)
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// A cluster that did not say where its brokers are.
struct StartFailure: Error {
    /// What it said instead.
    let said: String
}
