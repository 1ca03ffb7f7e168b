// SPDX-License-Identifier: Apache-2.0

/// Which node of a cluster serves which slot, as far as we know.
struct SlotMap: Sendable {
    /// Slots that follow one another and are served by the same nodes, as `CLUSTER SLOTS` lists them.
    struct Range: Sendable, Equatable {
        /// From the first to the last.
        var slots: ClosedRange<Int>
        /// The node that reads and writes them.
        var primary: RedisConfiguration.Host
        /// Those that hold copies.
        var replicas: [RedisConfiguration.Host] = []
    }

    /// Every primary, in the order of its first slot.
    private(set) var primaries: [RedisConfiguration.Host] = []
    /// Every replica.
    private(set) var replicas: Set<RedisConfiguration.Host> = []
    /// For each slot the index of its primary, below 0 where nobody serves it.
    private var owners = [Int16](repeating: -1, count: HashSlot.count)

    /// The map that `ranges` draw.
    init(_ ranges: [Range] = []) {
        for range in ranges {
            replicas.formUnion(range.replicas)
            let owner = index(of: range.primary)
            for slot in range.slots.clamped(to: 0...HashSlot.count - 1) { owners[slot] = owner }
        }
    }

    /// Who serves `slot`, nil where nobody is known to.
    subscript(slot: HashSlot) -> RedisConfiguration.Host? {
        let owner = owners[slot.number]
        return owner < 0 ? nil : primaries[Int(owner)]
    }

    /// `slot` is served by `node` from now on. What the node served before is not known any more: the map is to be asked for.
    mutating func move(_ slot: HashSlot, to node: RedisConfiguration.Host) {
        owners[slot.number] = index(of: node)
    }

    /// The primary's index, which a cluster's size (at most 1,000 nodes) keeps within bounds; a server that names more gets
    /// none for the rest.
    private mutating func index(of primary: RedisConfiguration.Host) -> Int16 {
        if let known = primaries.firstIndex(of: primary) { return Int16(known) }
        guard primaries.count < HashSlot.count else { return -1 }
        primaries.append(primary)
        return Int16(primaries.count - 1)
    }
}

extension SlotMap {
    /// The map that `node` answered to `CLUSTER SLOTS`: lists of first slot, last slot, primary and replicas, where a node is
    /// its host, its port and more.
    ///
    /// - Throws: `.unexpectedResult` where the answer is something else, or says that no slot is served.
    init(_ answer: RedisValue, from node: RedisConfiguration.Host) throws(RedisError) {
        var ranges: [Range] = []
        for range in try answer.array() {
            let parts = try range.array()
            guard parts.count >= 3 else { throw Self.malformed("a range without a primary") }
            let (first, last) = (try parts[0].int(), try parts[1].int())
            guard 0 <= first, first <= last, last < HashSlot.count else {
                throw Self.malformed("slots that do not exist")
            }
            var nodes: [RedisConfiguration.Host] = []
            for part in parts[2...] { nodes.append(try Self.host(part, beside: node)) }
            ranges.append(Range(slots: first...last, primary: nodes[0], replicas: Array(nodes[1...])))
        }
        guard !ranges.isEmpty else { throw Self.malformed("no slot that is served") }
        self.init(ranges)
    }

    /// A node as the list has it. A host that is unknown (null, empty or `?`) is the one that was asked, unless the address
    /// stands among what follows, where names are preferred but not known.
    private static func host(
        _ value: RedisValue, beside node: RedisConfiguration.Host
    ) throws(RedisError) -> RedisConfiguration.Host {
        let parts = try value.array()
        guard parts.count >= 2 else { throw malformed("a node without a port") }
        var name = parts[0].isNull ? "" : try parts[0].string()
        if name == "?", parts.count >= 4 {
            let address = try parts[3].pairs().first { $0.key == .bytes(Array("ip".utf8)) }
            name = try address?.value.string() ?? name
        }
        guard let host = RedisConfiguration.Host(name: name, port: try parts[1].int(), beside: node) else {
            throw malformed("a port that does not exist")
        }
        return host
    }

    private static func malformed(_ what: String) -> RedisError {
        RedisError(.unexpectedResult, "The cluster's map has \(what).")
    }
}
