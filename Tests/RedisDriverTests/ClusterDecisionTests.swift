// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RedisDriver

/// The values that decide in a cluster, without a server.
@Suite("Cluster decisions") struct ClusterDecisionTests {
    let now = ContinuousClock.now
    let node = RedisConfiguration.Host("10.0.0.1", port: 7000)
    let other = RedisConfiguration.Host("10.0.0.2", port: 7001)
    let slot = HashSlot(of: "foo".utf8)

    @Test(
        "redirections name a node as it stands there, and the one that was asked where they name none",
        arguments: [
            ("10.0.0.2:7001", "10.0.0.2", 7001), ("redis-1.example:6379", "redis-1.example", 6379),
            ("2001:db8::1:6380", "2001:db8::1", 6380), (":7001", "10.0.0.1", 7001), ("?:7001", "10.0.0.1", 7001),
        ])
    func nodes(text: String, name: String, port: Int) {
        let target = RedisConfiguration.Host(name, port: port)
        #expect(Redirection("MOVED 12182 \(text)", from: node) == .moved(slot, to: target))
        #expect(Redirection("ASK 12182 \(text)", from: node) == .ask(target))
    }

    @Test(
        "what is no redirection, or one that makes no sense, is an error like others",
        arguments: [
            "", "ERR unknown command", "MOVED", "MOVED 12182", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED x a:1",
            "MOVED 1 a", "MOVED 1 a:0", "MOVED 1 a:65536", "MOVED 1 a:", "ASK 1", "ASK 1 a:b", "MOVEDON 1 a:1",
            "NOSCRIPT",
        ])
    func others(message: String) {
        #expect(Redirection(message, from: node) == nil)
    }

    @Test(
        "errors that pass are known",
        arguments: [
            "TRYAGAIN Multiple keys request during rehashing of slot", "CLUSTERDOWN Hash slot not served",
            "READONLY You can't write against a read only replica.",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ])
    func passing(message: String) {
        #expect(Redirection(message, from: node) == .later)
    }

    @Test("MOVED is followed at once, teaches one slot, and asks for the map") func moved() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        let decision = course.redirected(.moved(slot, to: other), at: now)
        #expect(decision == .init(step: .send(.node(other), after: .zero), moved: .init(slot: slot, node: other)))
        #expect(decision.isMapStale)
    }

    @Test("ASK is followed once, and teaches nothing") func ask() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        let decision = course.redirected(.ask(other), at: now)
        #expect(decision == .init(step: .send(.asking(other), after: .zero), isMapStale: false))
    }

    @Test("the sixth redirection is the answer, whatever the kinds") func circles() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        for number in 0..<5 {
            let redirection = number.isMultiple(of: 2) ? Redirection.moved(slot, to: other) : .ask(node)
            #expect(course.redirected(redirection, at: now).step != .answer)
        }
        #expect(course.redirected(.ask(other), at: now).step == .answer)
    }

    @Test("what passes is tried again after growing rests, and what came last is the answer at the deadline")
    func rests() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        var clock = now
        var pauses: [Duration] = []
        while case .send(.owner, let pause) = course.redirected(.later, at: clock).step {
            pauses.append(pause)
            clock += pause
        }
        #expect(Array(pauses.prefix(6)) == [10, 20, 40, 80, 160, 160].map(Duration.milliseconds))
        #expect(clock < now + .seconds(1) && clock + .milliseconds(160) >= now + .seconds(1))
        #expect(course.lacksOwner(at: clock).step == .answer)
        #expect(course.redirected(.moved(slot, to: other), at: clock).step == .send(.node(other), after: .zero))
    }

    @Test("who lacks an owner asks for the map, and who was displaced has it") func stale() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        #expect(course.lacksOwner(at: now) == .init(step: .send(.owner, after: .milliseconds(10))))
        #expect(course.displaced(at: now) == .init(step: .send(.owner, after: .milliseconds(20)), isMapStale: false))
        #expect(course.redirected(.later, at: now).isMapStale)
    }

    @Test("the map is fetched by one at a time, and again where it was wanted meanwhile") func upkeep() {
        var upkeep = MapUpkeep()
        var starts = [upkeep.want()]
        upkeep.begin()
        starts += [upkeep.want(), upkeep.want()]
        var goesOn = [upkeep.goesOn()]
        upkeep.begin()
        goesOn += [upkeep.goesOn()]
        starts += [upkeep.want()]
        #expect(starts == [true, false, false, true])
        #expect(goesOn == [true, false])
    }

    @Test("a subscription to several servers stands while all of them do, whoever they are") func standing() {
        var standing = Standing()
        #expect(!standing.isWhole)
        standing.need(["a", "b"])
        standing.note("a", stands: true)
        standing.note("c", stands: true)
        #expect(!standing.isWhole)
        standing.note("b", stands: true)
        #expect(standing.isWhole)
        standing.need(["a", "b", "c"])
        #expect(!standing.isWhole)
        standing.need(["a", "b"])
        #expect(standing.isWhole)
        standing.note("b", stands: false)
        #expect(!standing.isWhole)
        standing.need(["a"])
        #expect(standing.isWhole)
        standing.need([])
        #expect(!standing.isWhole)
    }
}

/// The map of a cluster.
@Suite("Slot map") struct SlotMapTests {
    let nodes = (0..<4).map { RedisConfiguration.Host("10.0.0.\($0)", port: 7000) }

    @Test("a slot is served by the primary of its range, and by nobody outside of all ranges") func ranges() {
        let map = SlotMap([
            .init(slots: 0...99, primary: nodes[0], replicas: [nodes[3]]), .init(slots: 200...200, primary: nodes[1]),
            .init(slots: 300...16_383, primary: nodes[0]),
        ])
        let owners = [0, 99, 100, 199, 200, 201, 300, 16_383].map { HashSlot($0).flatMap { map[$0] } }
        #expect(owners == [nodes[0], nodes[0], nil, nil, nodes[1], nil, nodes[0], nodes[0]])
        #expect(map.primaries == [nodes[0], nodes[1]])
        #expect(map.replicas == [nodes[3]])
    }

    @Test(
        "an answer is understood in RESP2 and RESP3, and whoever is not named is on the host that was asked",
        arguments: [
            RedisValue.array([.bytes(Array("hostname".utf8)), .bytes(Array("a.example".utf8))]),
            .map([.init(key: .bytes(Array("hostname".utf8)), value: .bytes(Array("a.example".utf8)))]),
        ])
    func answers(more: RedisValue) throws {
        func node(_ host: RedisValue, _ port: Int) -> RedisValue {
            .array([host, .integer(port), .bytes(Array("id".utf8)), more])
        }
        let name = RedisValue.bytes(Array("10.0.0.3".utf8))
        let answer = RedisValue.array([
            .array([.integer(0), .integer(5), node(.null, 7001), node(name, 7002)]),
            .array([.integer(6), .integer(6), node(.bytes([]), 7003)]),
            .array([.integer(7), .integer(8), node(.bytes(Array("?".utf8)), 7004)]),
            .array([.integer(9), .integer(16_383), .array([name, .integer(7005)])]),
        ])
        let map = try SlotMap(answer, from: nodes[0])
        #expect(map.primaries.map(\.name) == ["10.0.0.0", "10.0.0.0", "10.0.0.0", "10.0.0.3"])
        #expect(map.primaries.map(\.port) == [7001, 7003, 7004, 7005])
        #expect(map.replicas == [.init("10.0.0.3", port: 7002)])
        #expect(HashSlot(8).flatMap { map[$0] } == .init("10.0.0.0", port: 7004))
    }

    @Test("a name that is preferred but not known gives way to the address beside it") func address() throws {
        let ip = RedisValue.array([.bytes(Array("ip".utf8)), .bytes(Array("10.0.0.9".utf8))])
        let node = RedisValue.array([.bytes(Array("?".utf8)), .integer(7001), .bytes(Array("id".utf8)), ip])
        let map = try SlotMap(.array([.array([.integer(0), .integer(5), node])]), from: nodes[0])
        #expect(map.primaries == [.init("10.0.0.9", port: 7001)])
    }

    @Test(
        "what is no map is refused",
        arguments: [
            RedisValue.array([]), .null, .integer(1), .array([.null]), .array([.array([.integer(0), .integer(1)])]),
            .array([.array([.integer(0), .integer(16_384), .array([.text("a"), .integer(1)])])]),
            .array([.array([.integer(-1), .integer(1), .array([.text("a"), .integer(1)])])]),
            .array([.array([.integer(2), .integer(1), .array([.text("a"), .integer(1)])])]),
            .array([.array([.integer(0), .integer(1), .array([.text("a"), .integer(0)])])]),
            .array([.array([.integer(0), .integer(1), .array([.text("a")])])]),
            .array([.array([.integer(0), .integer(1), .array([.integer(1), .integer(1)])])]),
        ])
    func malformed(answer: RedisValue) {
        #expect(throws: RedisError.self) { try SlotMap(answer, from: nodes[0]) }
    }

    @Test("a slot that moved is elsewhere, and its neighbours are not") func move() throws {
        var map = SlotMap([.init(slots: 0...16_383, primary: nodes[0])])
        map.move(try #require(HashSlot(7)), to: nodes[2])
        #expect([6, 7, 8].map { HashSlot($0).flatMap { map[$0] } } == [nodes[0], nodes[2], nodes[0]])
        #expect(map.primaries == [nodes[0], nodes[2]])
    }

    @Test("an empty map names nobody") func empty() {
        #expect(SlotMap()[HashSlot(of: [])] == nil)
        #expect(SlotMap().primaries.isEmpty)
    }
}
