// SPDX-License-Identifier: Apache-2.0

internal import SojournTesting
internal import Testing

@testable internal import Sojourn

@Suite("A session's rules")
struct SessionRecordTests {
    private static let start = ManualClock.start
    private static let first = TestSecrets.digest(1)
    private static let second = TestSecrets.digest(2)

    private static func record(_ policy: SessionPolicy = SessionPolicy(), user: String? = nil) -> SessionRecord {
        let new = NewSession(
            id: SessionID(at: start, random: .seeded(1)), digest: first, userID: user.map { UserID(stored: $0) },
            policy: policy)
        return SessionRecord(new, at: start, user: .first)
    }

    @Test(
        "a renewal moves expiry by 1/24 of the life or more, and never past the cap",
        arguments: [
            (0, nil, 240), (9, nil, 240), (10, nil, 250), (11, nil, 251), (239, nil, 479), (9, 245, 240),
            (10, 245, 240),
            (10, 250, 250), (200, 250, 250),
        ] as [(Int, Int?, Int)])
    func renews(after seconds: Int, cap: Int?, expiry: Int) {
        var record = Self.record(
            SessionPolicy(life: .seconds(240), renewal: .onAccess, absoluteLife: cap.map { .seconds($0) }))
        record.session.touch(at: Self.start + .seconds(seconds))
        #expect(record.session.expiresAt == Self.start + .seconds(expiry))
        #expect(record.session.requestCount == 1)
    }

    @Test(
        "an extend never shortens and never passes the cap",
        arguments: [(nil, nil, 340), (1, nil, 240), (500, nil, 600), (500, 300, 300)] as [(Int?, Int?, Int)])
    func extends(by life: Int?, cap: Int?, expiry: Int) {
        var record = Self.record(
            SessionPolicy(life: .seconds(240), renewal: .fixed, absoluteLife: cap.map { .seconds($0) }))
        record.session.extend(by: life.map { .seconds($0) }, at: Self.start + .seconds(100))
        #expect(record.session.expiresAt == Self.start + .seconds(expiry))
    }

    @Test("what a secret admits to follows rotation, grace and login")
    func admits() {
        var record = Self.record()
        let now = Self.start
        let id = record.session.id
        func admission(_ digest: SecretDigest?, at moment: Timestamp = now) -> Admission {
            let access = digest.map { SessionAccess.digest(id, $0) } ?? .trusted(id, as: .service)
            return record.admission(access, at: moment, user: .first)
        }
        #expect(admission(Self.first) == .full && admission(nil) == .full && admission(Self.second) == .refused)
        record.rotate(to: Rotation(digest: Self.second, successorSealed: [1], grace: .seconds(10)), at: now)
        #expect(admission(Self.second) == .full && admission(Self.first) == .previous)
        #expect(admission(Self.first, at: now + .seconds(10) - .microseconds(1)) == .previous)
        #expect(admission(Self.first, at: now + .seconds(10)) == .refused)
        record.bind(to: UserID(stored: "u"), digest: TestSecrets.digest(3), epoch: .first)
        #expect(admission(Self.second) == .refused && admission(Self.first) == .refused)
        #expect(admission(TestSecrets.digest(3)) == .full)
        record.end(at: now, reason: .logout)
        #expect(admission(TestSecrets.digest(3)) == .refused && admission(nil) == .refused)
    }

    @Test("of an expiry and a raised epoch the earlier is the end")
    func endsByItself() {
        let record = Self.record(SessionPolicy(life: .seconds(60)), user: "u")
        let raised = UserEpoch.first.raised(at: Self.start + .seconds(30), by: .service)
        let late = UserEpoch.first.raised(at: Self.start + .seconds(90), by: .service)
        let expired = SessionEnd(at: Self.start + .seconds(60), reason: .expired)
        let revoked = SessionEnd(at: Self.start + .seconds(30), reason: .revoked)
        #expect(record.unmarkedEnd(at: Self.start + .seconds(59), user: .first) == nil)
        #expect(record.unmarkedEnd(at: Self.start + .seconds(60), user: .first) == expired)
        #expect(record.unmarkedEnd(at: Self.start + .seconds(31), user: raised) == revoked)
        #expect(record.unmarkedEnd(at: Self.start + .seconds(99), user: raised) == revoked)
        #expect(record.unmarkedEnd(at: Self.start + .seconds(99), user: late) == expired)
        #expect(record.status(at: Self.start + .seconds(99), user: raised) == .ended)
        #expect(record.status(at: Self.start + .seconds(99), user: late) == .expired)
        #expect(record.status(at: Self.start, user: .first) == .active)
    }

    @Test(
        "a session is inactive after 24 h, or after its own life where that is longer",
        arguments: [(1, 24), (24, 24), (48, 48)])
    func rests(life: Int, hours: Int) {
        let record = Self.record(SessionPolicy(life: .hours(life)))
        #expect(!record.isInactive(at: Self.start + .hours(hours) - .microseconds(1)))
        #expect(record.isInactive(at: Self.start + .hours(hours)))
    }

    @Test("a write renews unless the life is fixed", arguments: Renewal.allCases)
    func writes(_ renewal: Renewal) {
        var record = Self.record(SessionPolicy(life: .hours(1), renewal: renewal))
        record.session.noteWrite(at: Self.start + .hours(1) / 2)
        let expected = renewal == .fixed ? Duration.hours(1) : .hours(1) + .hours(1) / 2
        #expect(record.session.expiresAt == Self.start + expected && record.session.requestCount == 0)
    }
}
