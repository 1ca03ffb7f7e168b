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
