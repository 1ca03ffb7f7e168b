// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// Draws schedules from a seed: small ones, crowded on few sessions, with pauses that end exactly where a grace, a
/// life, a cap or a renewal does. Repetitions for a cache and faults come on top: the same seed draws the same calls
/// without them.
struct ScheduleGenerator {
    private static let sessions = 3
    private static let users = 2
    /// Most validations that are added for a cache: a schedule must not grow past what `Linearization` takes.
    private static let repetitionsMax = 30

    private let capabilities: StoreCapabilities
    private let fillsCache: Bool
    private let faults: [Fault]
    private var random: SeededRandom
    private var lastStep = 0
    /// The steps that may have installed a secret in a session.
    private var secrets: [Int: [Int]] = [:]
    /// The steps that may have begun a turn in a session.
    private var turns: [Int: [Int]] = [:]
    /// The version that a session has, if all went well.
    private var versions: [Int: Int] = [:]
    private var replaced: Set<Int> = []

    /// A generator for stores that can do this much, and meet these faults.
    ///
    /// - Parameter fillsCache: Whether validations come several times in a row, for a store that answers the first from
    ///   somewhere else than those that follow.
    init(seed: UInt64, capabilities: StoreCapabilities, fillsCache: Bool = false, faults: [Fault] = []) {
        random = SeededRandom(seed: seed)
        self.capabilities = capabilities
        self.fillsCache = fillsCache
        self.faults = faults
    }

    /// The schedule that the seed stands for.
    mutating func schedule() -> Schedule {
        var rounds = [Schedule.Round(pause: .zero, callers: [beginnings()])]
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let callers = (0..<Int.random(in: 2...3, using: &random)).map { _ in
                (0..<Int.random(in: 1...3, using: &random)).map { _ in step(verb()) }
            }
            rounds.append(Schedule.Round(pause: pause(), callers: callers))
            for session in replaced { versions[session, default: 1] += 1 }
            replaced = []
        }
        var schedule = Schedule(interleaving: random.next(), rounds: rounds)
        if fillsCache { repeatValidations(&schedule) }
        strike(&schedule)
        if fillsCache { schedule.rounds.append(lastValidations()) }
        return schedule
    }

    /// Lets validations follow on every first creation, and more of the same on other validations.
    private mutating func repeatValidations(_ schedule: inout Schedule) {
        var left = Self.repetitionsMax
        for round in schedule.rounds.indices {
            for caller in schedule.rounds[round].callers.indices {
                schedule.rounds[round].callers[caller] = schedule.rounds[round].callers[caller].flatMap { drawn in
                    let key: Key
                    switch drawn.verb {
                    case .create(let session, _, _, _) where round == 0:
                        key = Key(session: session, proof: .secret(of: drawn.number))
                    case .validate(let validated): key = validated
                    default: return [drawn]
                    }
                    let count = min(left, 3)
                    left -= count
                    return [drawn] + (0..<count).map { _ in step(.validate(key)) }
                }
            }
        }
    }

    /// Tries the first and the last secret of every session, once all is over and no copy from before may be left.
    private mutating func lastValidations() -> Schedule.Round {
        let callers = secrets.sorted { $0.key < $1.key }.map { session, secrets in
            Set([secrets.first, secrets.last].compactMap(\.self)).sorted().flatMap { secret in
                (0..<2).map { _ in step(.validate(Key(session: session, proof: .secret(of: secret)))) }
            }
        }
        return Schedule.Round(pause: .zero, callers: callers)
    }

    /// Lets some faults come over a schedule, one after the other: the acts that fall into one round in the midst of one
    /// caller's steps, or as a further caller.
    private mutating func strike(_ schedule: inout Schedule) {
        guard !faults.isEmpty else { return }
        let acts = (0..<Int.random(in: 1...3, using: &random)).flatMap { _ in
            faults.randomElement(using: &random)?.acts ?? []
        }
        let rounds = acts.map { _ in schedule.rounds.indices.randomElement(using: &random) ?? 0 }.sorted()
        for (round, acts) in Dictionary(grouping: zip(rounds, acts), by: \.0).sorted(by: { $0.key < $1.key }) {
            let steps = acts.map { step(.suffer($0.1)) }
            let caller = Int.random(in: 0...schedule.rounds[round].callers.count, using: &random)
            if caller == schedule.rounds[round].callers.count { schedule.rounds[round].callers.append([]) }
            let places = steps.map { _ in
                Int.random(in: 0...schedule.rounds[round].callers[caller].count, using: &random)
            }
            for (place, step) in zip(places.sorted(), steps).reversed() {
                schedule.rounds[round].callers[caller].insert(step, at: place)
            }
        }
    }

    private mutating func beginnings() -> [Step] {
        (0..<Self.sessions - 1).map { session in
            step(create(session, user: session == 0 && chance(2) ? nil : user()))
        }
    }

    private mutating func step(_ verb: Verb) -> Step {
        lastStep += 1
        switch verb {
        case .create(let session, _, _, _) where secrets[session] != nil: break
        case .create(let session, _, _, _), .bind(let session, _, _): secrets[session, default: []].append(lastStep)
        case .rotate(let key, _): secrets[key.session, default: []].append(lastStep)
        case .append(let key, _, _, _): turns[key.session, default: []].append(lastStep)
        case .replace(let key, _, _): replaced.insert(key.session)
        default: break
        }
        return Step(number: lastStep, verb: verb)
    }

    private mutating func verb() -> Verb {
        let items = capabilities.contains(.items)
        let journal = capabilities.contains(.journal)
        switch Int.random(in: 0..<40, using: &random) {
        case 0..<8: return .validate(key())
        case 8..<13:
            let key = key()
            let version = versions[key.session, default: 1] - (chance(6) ? 1 : 0)
            return .replace(key, chance(3) ? .claims : .metadata, version: version)
        case 13..<15: return .end(chance(3) ? [key(), key()] : [key()])
        case 15: return .delete(session: session())
        case 16: return .get(key())
        case 17..<19: return .extend(key(), seconds: chance(2) ? nil : 120)
        case 19..<22: return .rotate(key(), graceSeconds: chance(4) ? 0 : 10)
        case 22..<24: return .bind(session: session(), user: user(), cap: cap())
        case 24: return .endAll(user: user())
        case 25: return .endOthers(key())
        case 26: return .sweep(keepsEnded: !chance(4) || !capabilities.contains(.history))
        case 27: return create(chance(4) ? session() : Self.sessions - 1, user: chance(2) ? nil : user())
        case 28..<31 where items: return .add(key(), item() + (chance(2) ? item() : []))
        case 31 where items: return .remove(key(), chance(2) ? nil : item())
        case 32 where items: return .held(key())
        case 33 where items: return .validateWithItems(key())
        case 34..<37 where journal:
            let expected = chance(3) ? Int.random(in: 0...1, using: &random) : nil
            return .append(
                key(), turns: chance(3) ? 2 : 1, expected: expected,
                repeatable: chance(3) ? Int.random(in: 0...1, using: &random) : nil)
        case 37..<39 where journal:
            var key = key()
            guard let session = turns.keys.sorted().randomElement(using: &random) else { return .history(key) }
            if key.session != session { key = Key(session: session, proof: .trust) }
            return .finish(key, turn: turns[session, default: []].randomElement(using: &random) ?? 0)
        case 39 where journal: return .history(key())
        default: return .validate(key())
        }
    }

    private mutating func create(_ session: Int, user: Int?) -> Verb {
        .create(
            session: session, user: user, policy: Int.random(in: ScheduleNames.policies.indices, using: &random),
            cap: cap())
    }

    private mutating func key() -> Key {
        let session = session()
        let known = secrets[session, default: []]
        let proof: Key.Proof
        switch Int.random(in: 0..<20, using: &random) {
        case 0: proof = .forged
        case 1..<5: proof = .trust
        case 5..<9: proof = known.randomElement(using: &random).map { .secret(of: $0) } ?? .trust
        case 9..<15: proof = known.first.map { .secret(of: $0) } ?? .trust
        default: proof = known.last.map { .secret(of: $0) } ?? .trust
        }
        return Key(session: session, proof: proof)
    }

    /// Mostly the first session, so that callers meet.
    private mutating func session() -> Int {
        chance(2) ? 0 : Int.random(in: 0..<Self.sessions, using: &random)
    }

    private mutating func user() -> Int { chance(3) ? 1 : Int.random(in: 0..<Self.users, using: &random) }

    private mutating func cap() -> Int? { chance(4) ? Int.random(in: 1...2, using: &random) : nil }

    /// One item of the catalogue, or now and then one that it lacks.
    private mutating func item() -> [ItemID] { [chance(10) ? 99 : ItemID.random(in: 1...4, using: &random)] }

    private mutating func pause() -> Duration {
        let pauses: [Duration] = [
            .zero, .zero, .zero, .seconds(1), .seconds(5), .seconds(10), .seconds(10) - .instant, .seconds(30),
            .seconds(60), .seconds(240), .hours(24),
        ]
        return pauses.randomElement(using: &random) ?? .zero
    }

    /// True once in so many times.
    private mutating func chance(_ count: Int) -> Bool {
        Int.random(in: 0..<count, using: &random) == 0
    }
}
