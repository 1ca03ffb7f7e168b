// SPDX-License-Identifier: Apache-2.0

/// The life of one subscription: when it stands, when to test it, when it must be taken for dead. Decisions only.
///
/// A socket can be open and deliver nothing: behind a pooler, behind a firewall that forgot it, on a server that hangs.
/// So the subscription tests itself: it notifies a channel of its own and has to see that arrive, once before it
/// counts as established and then at every heartbeat.
struct Listening {
    /// What is to be done.
    enum Action: Equatable {
        /// Send this token to the private channel.
        case probe(String)
        /// Give the connection up.
        case giveUp
        /// Tell the reader that nothing is missed from here on.
        case established
        /// Tell the reader that something may be missed.
        case lost
        /// Pass a notification on.
        case notification(String)
    }

    private enum Phase: Equatable {
        /// No connection, or one that is not subscribed yet.
        case down
        /// The token is on its way; it was sent at an instant.
        case probing(String, since: ContinuousClock.Instant)
        /// The test came back; the next one is due.
        case quiet(until: ContinuousClock.Instant)
        /// The server refused the subscription.
        case refused(until: ContinuousClock.Instant)
    }

    /// The channel to listen to.
    let channel: String
    /// The channel of the test.
    let probeChannel: String
    /// The time between tests.
    let heartbeat: Duration
    /// Most time until a test comes back.
    let patience: Duration
    private var phase = Phase.down
    private var isEstablished = false
    private var tokens = 0

    /// A subscription that does not stand yet.
    init(channel: String, probeChannel: String, heartbeat: Duration, patience: Duration) {
        self.channel = channel
        self.probeChannel = probeChannel
        self.heartbeat = heartbeat
        self.patience = patience
    }

    /// The server took the subscription, or refused it. After a refusal the connection is kept for a second, so that
    /// the next attempt does not follow at once.
    mutating func subscribed(_ isAccepted: Bool, at now: ContinuousClock.Instant) {
        phase = isAccepted ? .quiet(until: now) : .refused(until: now + .seconds(1))
    }

    /// Something arrived on one of the two channels.
    mutating func notified(_ name: String, _ payload: String, at now: ContinuousClock.Instant) -> Action? {
        if name == channel { return .notification(payload) }
        guard name == probeChannel, case .probing(payload, _) = phase else { return nil }
        phase = .quiet(until: now + heartbeat)
        defer { isEstablished = true }
        return isEstablished ? nil : .established
    }

    /// The connection is gone.
    mutating func disconnected() -> Action? {
        phase = .down
        defer { isEstablished = false }
        return isEstablished ? .lost : nil
    }

    /// What is due at `now`, and when to look again.
    mutating func tick(at now: ContinuousClock.Instant) -> (action: Action?, next: ContinuousClock.Instant) {
        switch phase {
        case .quiet(let until) where until <= now:
            tokens += 1
            phase = .probing(String(tokens), since: now)
            return (.probe(String(tokens)), now + patience)
        case .probing(_, let since) where since + patience <= now: return (.giveUp, now + patience)
        case .refused(let until) where until <= now: return (.giveUp, now + patience)
        case .quiet(let until), .refused(let until): return (nil, until)
        case .probing(_, let since): return (nil, since + patience)
        case .down: return (nil, now + patience)
        }
    }
}
