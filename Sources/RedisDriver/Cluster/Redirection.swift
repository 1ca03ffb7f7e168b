// SPDX-License-Identifier: Apache-2.0

/// What a node's error says about where a command belongs, or when it can be answered.
enum Redirection: Sendable, Equatable {
    /// `MOVED`: the slot is that node's.
    case moved(HashSlot, to: RedisConfiguration.Host)
    /// `ASK`: the slot is on its way to that node, which has this key already.
    case ask(RedisConfiguration.Host)
    /// `TRYAGAIN`, `CLUSTERDOWN`, `READONLY`, `MASTERDOWN`: not now, and perhaps not there.
    case later

    /// What `message` says, which came from `node`; nil for every other error.
    ///
    /// A redirection without a host, or with the unknown one (`?`), means the host that was asked.
    init?(_ message: some StringProtocol, from node: RedisConfiguration.Host) {
        let words = message.split(separator: " ")
        switch words.first {
        case "MOVED":
            guard words.count >= 3, let slot = Int(words[1]).flatMap(HashSlot.init),
                let target = RedisConfiguration.Host(String(words[2]), beside: node)
            else { return nil }
            self = .moved(slot, to: target)
        case "ASK":
            guard words.count >= 3, let target = RedisConfiguration.Host(String(words[2]), beside: node) else {
                return nil
            }
            self = .ask(target)
        case "TRYAGAIN", "CLUSTERDOWN", "READONLY", "MASTERDOWN": self = .later
        default: return nil
        }
    }
}

extension RedisConfiguration.Host {
    /// A node as redirections write it: `HOST:PORT`, where an IPv6 address has no brackets.
    fileprivate init?(_ text: String, beside node: Self) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        self.init(name: text[..<colon], port: Int(text[text.index(after: colon)...]), beside: node)
    }

    /// A node as another node names it; nil where the port is none. Without a name it is on that other node's host.
    init?(name: some StringProtocol, port: Int?, beside node: Self) {
        guard let port, (1...65_535).contains(port) else { return nil }
        self.init(name.isEmpty || name == "?" ? node.name : String(name), port: port)
    }
}
