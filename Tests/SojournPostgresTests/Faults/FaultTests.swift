// SPDX-License-Identifier: Apache-2.0

import Foundation
import PostgresDriver
import PostgresTestSupport
import Sojourn
import SojournPostgres
import Testing

/// The store under a load of 64 callers while its database fails: nothing acknowledged is lost, nothing is applied twice,
/// callers get an answer or a clear error in time, and the store recovers by itself.
///
/// Each fault happens `POSTGRES_FAULTS` times, 2 by default; `script/soak postgres` asks for 20. All tests use a server
/// of their own, one after the other.
@Suite(
    "Faults under load", .serialized, .enabled(if: PostgresPrograms.folder != nil && TestServer.url != nil),
    .timeLimit(.minutes(20)))
struct FaultTests {
    /// What the stores here are given for an answer.
    private static let answerTimeout = Duration.seconds(3)
    /// What a call may take beyond that, before its caller runs again: a soak has the machine to itself.
    private static let slack: Duration = asked == nil ? .seconds(30) : .seconds(1)
    /// How often each fault happens.
    private static let asked = ProcessInfo.processInfo.environment["POSTGRES_FAULTS"].flatMap { Int($0) }
    private static let faultCount = asked ?? 2
    /// How long the database says nothing: longer than anybody waits.
    private static let silence = asked == nil ? answerTimeout + .seconds(1) : .seconds(10)
    /// How soon all is well again after a fault is over. A connection that is being made when the silence ends takes up
    /// to its own timeout to fail, and the next attempt comes up to 5 s later.
    private static let recoveryMax = Duration.seconds(60)

    /// What the faults do their harm with.
    private struct Scene {
        let server: OwnServer
        let proxy: FaultyProxy
        /// Straight to the server.
        let client: PostgresClient
    }

    @Test("a server that crashes and restarts") func restart() async throws {
        try await prove("restart") { scene in try await scene.server.restart() }
    }

    @Test("connections that are terminated, every one") func terminate() async throws {
        try await prove("terminate") { scene in
            let rows = try await scene.client.query(PostgresCall(Self.termination))
            #expect(rows.count >= 2, "there were hardly any connections to terminate")
        }
    }

    @Test("replies that are cut in the middle") func cut() async throws {
        try await prove("cut") { scene in
            let before = scene.proxy.cutCount
            scene.proxy.cutEach { .random(in: 0..<2000) }
            // Those without work are not cut; the lanes have work at all times.
            try await Self.wait(until: .now + Self.recoveryMax, "nothing was cut") {
                scene.proxy.cutCount >= before + 2
            }
        }
    }

    @Test("a server that does not answer", arguments: FaultyProxy.Silence.allCases)
    func silent(_ silence: FaultyProxy.Silence) async throws {
        let figures = try await prove("silent, \(silence)", times: (Self.faultCount + 2) / 3) { scene in
            scene.proxy.fallSilent(silence)
            defer { scene.proxy.speak() }
            try await Task.sleep(for: Self.silence)
        }
        #expect(figures.failed.values.reduce(0, +) >= 10, "the silence bothered hardly anybody")
    }

    private static let termination = PostgresStatement(
        """
        SELECT pg_terminate_backend(pid)
        FROM pg_stat_activity
        WHERE application_name = 'faults'
        """)
    private static let presence = PostgresStatement(
        """
        SELECT 1
        FROM pg_stat_activity
        WHERE application_name = 'faults'
        """)
}

// MARK: - The proof

extension FaultTests {
    /// Does harm again and again under load, and compares what callers were told with what the database holds.
    @discardableResult
    private func prove(
        _ name: String, times: Int = faultCount, _ harm: (Scene) async throws -> Void
    ) async throws -> Ledger.Figures {
        try await OwnServer.lend { server in
            let scene = Scene(
                server: server, proxy: try FaultyProxy(to: server.port),
                client: PostgresClient(server.configuration(), logger: TestServer.logger))
            defer {
                scene.client.close()
                scene.proxy.stop()
            }
            let store = try await Self.store(scene)
            let ledger = Ledger(callMax: Self.answerTimeout + Self.slack)
            try await Load(store: store, ledger: ledger).run {
                try await Self.untilCalm(ledger, "the store does not even work in peace")
                for number in 1...times {
                    ledger.beginEra()
                    let recovery = try await Self.fault(scene, ledger, harm)
                    Self.report("\(name) \(number) of \(times): back after \(recovery)", ledger)
                }
                // On a busy machine the faults are over before the rarer calls have been made often.
                try await Self.wait(until: .now + Self.recoveryMax, "the load does hardly any of some calls") {
                    let done = ledger.figures.acknowledged
                    return Ledger.Kind.allCases.allSatisfy { done[$0, default: 0] >= 20 }
                }
            }
            store.close()
            try await check(name, scene, ledger)
            return ledger.figures
        }
    }

    /// A store behind the proxy, with a catalogue of items.
    private static func store(_ scene: Scene) async throws -> PostgresStore {
        var configuration = scene.server.configuration(port: scene.proxy.port)
        configuration.answerTimeout = answerTimeout
        configuration.connectTimeout = .seconds(2)
        configuration.applicationName = "faults"
        let store = PostgresStore(configuration, logger: TestServer.logger)
        _ = try await store.put(Load.items.map { Item(id: $0, name: "item \($0)", category: nil) })
        return store
    }

    /// Does harm once, and waits until all is well; how long that took from the harm's end.
    private static func fault(_ scene: Scene, _ ledger: Ledger, _ harm: (Scene) async throws -> Void) async throws
        -> Duration
    {
        try await harm(scene)
        let end = ContinuousClock.now
        ledger.beginEra()
        let since = try await untilCalm(ledger, "the store did not recover")
        return max(.zero, end.duration(to: since))
    }

    /// Waits until calls are answered again, ten in a row for each caller without an error among them; since when they
    /// are. Some more calls, so that the next fault does not always come at the same point.
    @discardableResult
    private static func untilCalm(_ ledger: Ledger, _ failure: Comment) async throws -> ContinuousClock.Instant {
        let enough = Load.callerCount * .random(in: 10...20)
        try await wait(until: .now + recoveryMax, failure) { ledger.calm.calls >= enough }
        return ledger.calm.since ?? .now
    }

    /// Looks every few milliseconds whether something has come true, up to a deadline.
    private static func wait(
        until deadline: ContinuousClock.Instant, _ failure: Comment, _ isTrue: () async throws -> Bool
    ) async throws {
        while try await !isTrue() {
            try #require(.now < deadline, failure)
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    private static func report(_ what: String, _ ledger: Ledger) {
        let figures = ledger.figures
        print(
            "faults: \(what); \(figures.acknowledged.values.reduce(0, +)) calls acknowledged, "
                + "\(figures.failed.values.reduce(0, +)) failed, the longest took \(figures.longest)")
        // Somebody may be watching through a pipe.
        fflush(nil)
    }

    /// After the load: compares the ledger with the database, and asks a new store as well.
    private func check(_ name: String, _ scene: Scene, _ ledger: Ledger) async throws {
        // What is still on its way to the server, or at work there, may yet change something.
        try await Self.wait(until: .now + .seconds(60), "connections of the store outlive it") {
            try await scene.client.query(PostgresCall(Self.presence), retry: .ifInterrupted).isEmpty
        }
        let breaches = ledger.breaches
        #expect(breaches.count == 0, "\(breaches.first.joined(separator: "\n"))")
        let audit = try await Audit(ledger, scene.client)
        let found = audit.breaches()
        #expect(found.isEmpty, "\(found.count) breaches:\n\(found.prefix(20).joined(separator: "\n"))")
        let store = PostgresStore(scene.server.configuration(), logger: TestServer.logger)
        defer { store.close() }
        for (id, account) in ledger.accounts.filter(\.value.isEnded).prefix(200) {
            #expect(try await store.validate(.digest(id, account.digest)) == nil, "an ended session validates")
        }
        let integrity = try await store.integrity()
        #expect(integrity.isGood, "\(integrity.findings.filter { !$0.isGood })")

        let figures = ledger.figures
        Self.report("\(name): \(audit.count) sessions agree with what callers were told", ledger)
        print("faults: \(name): acknowledged \(Self.table(figures.acknowledged)); failed \(Self.table(figures.failed))")
        for (message, count) in figures.messages.sorted(by: { $0.key < $1.key }) {
            print("faults:   \(count)× \(message)")
        }
    }

    private static func table(_ counts: [Ledger.Kind: Int]) -> String {
        Ledger.Kind.allCases.map { "\($0) \(counts[$0, default: 0])" }.joined(separator: ", ")
    }
}
