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
            ("TRYAGAIN Multiple keys request during rehashing of slot", Redirection.later),
            ("CLUSTERDOWN Hash slot not served", .later), ("LOADING Redis is loading the dataset in memory", .later),
            ("READONLY You can't write against a read only replica.", .demoted),
            ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", .demoted),
        ])
    func passing(message: String, redirection: Redirection) {
        #expect(Redirection(message, from: node) == redirection)
    }

    @Test("MOVED is followed at once, teaches one slot, and asks for the map") func moved() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        let decision = course.redirected(.moved(slot, to: other), at: now)
        #expect(
            decision
                == .init(
                    step: .send(.node(other), after: .zero), isMapStale: true, moved: .init(slot: slot, node: other)))
    }

    @Test("ASK is followed once, and teaches nothing") func ask() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        #expect(course.redirected(.ask(other), at: now) == .init(step: .send(.asking(other), after: .zero)))
    }

    @Test("the sixth redirection is one too many, whatever the kinds") func circles() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        for number in 0..<5 {
            let redirection = number.isMultiple(of: 2) ? Redirection.moved(slot, to: other) : .ask(node)
            #expect(course.redirected(redirection, at: now).step != .giveUp)
        }
        #expect(course.redirected(.ask(other), at: now).step == .giveUp)
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
        #expect(course.redirected(.moved(slot, to: other), at: clock).step == .send(.node(other), after: .zero))
    }

    @Test("a replica's refusal and a lost node ask for the map") func stale() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        #expect(course.redirected(.demoted, at: now).isMapStale)
        #expect(course.failed(tookNoEffect: true, at: now).isMapStale)
        #expect(course.failed(tookNoEffect: false, at: now).isMapStale)
    }

    @Test("what may have taken effect is not sent again") func unknown() {
        var course = ClusterCourse(deadline: now + .seconds(1))
        #expect(course.failed(tookNoEffect: true, at: now).step == .send(.owner, after: .milliseconds(10)))
        #expect(course.failed(tookNoEffect: false, at: now).step == .answer)
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
