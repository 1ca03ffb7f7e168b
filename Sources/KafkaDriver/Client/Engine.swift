// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import DequeModule
internal import DriverSupport
internal import Glibc
internal import Logging
internal import Synchronization

/// What one kind of client does on its thread. It lives there from the start to the end of the client and knows no locks.
protocol ClientPart: AnyObject, SendableMetatype {
    /// The queue of librdkafka's that holds events for the thread.
    var queue: OpaquePointer { get }
    /// An event of a kind that not all clients have. It is the part's from now on, to be freed.
    func handle(_ event: OpaquePointer, _ type: rd_kafka_event_type_t)
    /// The client can do nothing any more.
    func failed(_ error: KafkaError)
    /// Comes after events and jobs: does what has become possible.
    func turn()
    /// The client is to end: begins what has to be done before.
    func beginClosing()
    /// Whether nothing is left to be done before the end.
    var isDone: Bool { get }
    /// Frees what it has of librdkafka's and answers all who wait, at the end.
    ///
    /// - Parameter isLate: Whether the time for an orderly end is over.
    func end(isLate: Bool)
    /// Whether librdkafka can free all of the client. Asked after the end.
    var canBeFreed: Bool { get }
}

/// A client of librdkafka's and the one thread that serves it.
///
/// librdkafka has threads of its own and no callback of ours runs there: what it has to tell comes as events through
/// queues, and queues ring a `Bell` when they are no longer empty. The thread waits for that bell. Callers hand it jobs,
/// which may block it for as long as a question to the brokers takes.
///
/// Nothing starts before the first job. A client that cannot be started refuses the jobs that wait, and is tried again
/// with the next one.
final class Engine<Part: ClientPart>: Sendable {
    /// What is to be done on the thread, or why it cannot be.
    typealias Job = @Sendable (Result<Part, KafkaError>) -> Void

    private enum Stage {
        case idle, running, closing, closed
    }

    private struct State {
        var stage = Stage.idle
        var jobs: Deque<Job> = []
    }

    /// Rung by librdkafka's queues and by callers.
    let bell = Bell()
    private let name: String
    private let settings: ClientSettings
    private let reporter: Reporter
    /// Makes the part of a new client. What it throws has to leave nothing behind.
    private let makePart: @Sendable (OpaquePointer, Bell, Reporter) throws(KafkaError) -> Part
    private let farewell = Farewell()
    private let state = Mutex(State())

    /// An engine that stands still.
    ///
    /// - Parameter name: The thread's, at most 15 bytes.
    init(
        _ name: String, _ settings: ClientSettings, logger: Logger,
        _ makePart: @escaping @Sendable (OpaquePointer, Bell, Reporter) throws(KafkaError) -> Part
    ) {
        self.name = name
        self.settings = settings
        self.makePart = makePart
        reporter = Reporter(logger: logger, clientID: settings.configuration.clientID)
    }
}

// MARK: - For callers

extension Engine {
    /// Has `job` done on the thread, in the order of the calls.
    func submit(_ job: @escaping Job) {
        let (isTaken, isFirst) = state.withLock { state in
            guard state.stage == .idle || state.stage == .running else { return (false, false) }
            state.jobs.append(job)
            guard state.stage == .idle else { return (true, false) }
            state.stage = .running
            // Who closes the engine from now on waits for the thread.
            farewell.enter()
            return (true, true)
        }
        guard isTaken else { return job(.failure(.shutDown())) }
        guard isFirst else { return bell.ring() }
        let isStarted = DriverThread.start(name) { [self] in
            run()
            farewell.leave()
        }
        guard !isStarted else { return }
        farewell.leave()
        stop(KafkaError(.timedOut, "The system has no thread left for a Kafka client."))
    }

    /// What `body` returns or throws on the thread.
    func call<Value: Sendable>(
        _ body: @escaping @Sendable (Part) throws(KafkaError) -> Value
    ) async throws(KafkaError) -> Value {
        let result: Result<Value, KafkaError> = await withCheckedContinuation { continuation in
            submit { part in
                let result: Result<Value, KafkaError>
                do throws(KafkaError) {
                    result = .success(try body(try part.get()))
                } catch {
                    result = .failure(error)
                }
                continuation.resume(returning: result)
            }
        }
        return try result.get()
    }

    /// Ends the client. Returns at once.
    func close() {
        state.withLock { state in
            state.stage = state.stage == .idle || state.stage == .closed ? .closed : .closing
        }
        bell.ring()
    }

    /// Returns when the thread has ended.
    func ended() async {
        await farewell.wait()
    }
}

// MARK: - The thread

extension Engine {
    /// Most events that are looked at before jobs are.
    private static var eventsMax: Int { 256 }
    /// How long the thread sleeps at most: librdkafka wants to be asked now and then, or takes a consumer for dead.
    private static var napMax: Duration { .seconds(1) }
    /// The same while the client closes, as librdkafka does not ring when it is done.
    private static var closingNapMax: Duration { .milliseconds(10) }

    private func run() {
        let client: OpaquePointer
        let part: Part
        do throws(KafkaError) {
            client = try settings.open()
            do throws(KafkaError) {
                part = try makePart(client, bell, reporter)
            } catch {
                rd_kafka_destroy(client)
                throw error
            }
        } catch {
            stop(error)
            return
        }
        // What was logged so far comes through this queue as well.
        rd_kafka_set_log_queue(client, part.queue)
        part.queue.ring(bell)
        let isLate = serve(part)
        // What librdkafka has to say about the end, also to those who wait for it.
        _ = handleEvents(of: part, max: .max)
        part.end(isLate: isLate)
        // A consumer has left its group by now, or is not waited for.
        rd_kafka_destroy_flags(
            client, part.canBeFreed ? RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE : SOJOURN_KAFKA_DESTROY_IMMEDIATE)
        stop(.shutDown())
    }

    /// Serves the client until it is closed; whether the time for that was over before it was done.
    private func serve(_ part: Part) -> Bool {
        var deadline: ContinuousClock.Instant?
        while true {
            bell.silence()
            let hasMore = handleEvents(of: part, max: Self.eventsMax)
            doJobs(part)
            let isClosing = state.withLock { $0.stage == .closing }
            if isClosing, deadline == nil {
                deadline = .now + settings.configuration.shutdownTimeout
                // What came while jobs were done: how a client is to end may depend on it.
                _ = handleEvents(of: part, max: Self.eventsMax)
                part.beginClosing()
            }
            part.turn()
            if let deadline {
                if part.isDone { return false }
                if deadline <= .now { return true }
            }
            if !hasMore { sleep(for: isClosing ? Self.closingNapMax : Self.napMax) }
        }
    }

    /// Does the jobs that wait. Once the client closes, which may come while a job blocks, they are refused.
    private func doJobs(_ part: Part) {
        for _ in 0..<state.withLock({ $0.jobs.count }) {
            let (job, isClosing) = state.withLock { ($0.jobs.popFirst(), $0.stage == .closing) }
            job?(isClosing ? .failure(.shutDown()) : .success(part))
        }
    }

    /// Looks at events; whether there may be more.
    private func handleEvents(of part: Part, max: Int) -> Bool {
        for _ in 0..<max {
            guard let event = rd_kafka_queue_poll(part.queue, 0) else { return false }
            let type = rd_kafka_event_type(event)
            switch type {
            case RD_KAFKA_EVENT_LOG: reporter.log(event)
            case RD_KAFKA_EVENT_STATS: reporter.record(event)
            case RD_KAFKA_EVENT_ERROR:
                if let error = reporter.failure(event) { part.failed(error) }
            default:
                part.handle(event, type)
                continue
            }
            rd_kafka_event_destroy(event)
        }
        return true
    }

    private func sleep(for duration: Duration) {
        var wait = pollfd(fd: bell.descriptor, events: Int16(POLLIN), revents: 0)
        poll(&wait, 1, duration.milliseconds)
    }

    /// Refuses the jobs that wait. A client that was not closed may be started again.
    private func stop(_ error: KafkaError) {
        let jobs = state.withLock { state in
            defer { state.jobs = [] }
            state.stage = state.stage == .running ? .idle : .closed
            return state.jobs
        }
        for job in jobs { job(.failure(error)) }
    }
}

extension ClientPart {
    var canBeFreed: Bool { true }
}

extension OpaquePointer {
    /// Has this queue of librdkafka's ring `bell` whenever it is no longer empty.
    func ring(_ bell: Bell) {
        var one: UInt64 = 1
        rd_kafka_queue_io_event_enable(self, bell.descriptor, &one, 8)
        // For what was there before.
        bell.ring()
    }

    /// Has this queue of librdkafka's ring no more, also where it outlives the bell.
    func silence() {
        rd_kafka_queue_io_event_enable(self, -1, nil, 0)
    }
}
