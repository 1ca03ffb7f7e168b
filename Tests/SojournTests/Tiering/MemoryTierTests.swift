// SPDX-License-Identifier: Apache-2.0

import Sojourn
import SojournTesting
import Testing

/// Eras, by the model, whose time is ours to tell.
@Suite("The model's tier")
struct MemoryTierTests {
    private let now = ManualClock.start

    /// A deletion, written down where somebody watches.
    private func delete(_ number: UInt64, in model: inout MemoryModel, real: Timestamp) {
        let new = NewSession(id: SessionID(UUIDBytes(high: 7, low: number)), digest: TestSecrets.digest(number))
        _ = model.create([new], at: now)
        let before = model
        _ = model.delete(new.id)
        if before.isWatched(at: real) { model.noteChanges(since: before, at: real) }
    }

    @Test("an era lasts while somebody reads every minute")
    func eras() {
        var model = MemoryModel()
        delete(1, in: &model, real: now)
        let first = model.pendingChanges(max: 9, at: now, real: now)
        #expect(first.changes.isEmpty && first.isWhole)
        delete(2, in: &model, real: now + .seconds(60))
        let second = model.pendingChanges(max: 9, at: now, real: now + .seconds(60))
        #expect(second.era == first.era && second.changes.count == 1)
        delete(3, in: &model, real: now + .seconds(121))
        let third = model.pendingChanges(max: 9, at: now, real: now + .seconds(121))
        #expect(third.era > second.era && third.changes == second.changes)
        // A clock that was put back gives no number twice.
        let fourth = model.pendingChanges(max: 9, at: now, real: now - .days(1))
        #expect(fourth.era == third.era)
        let fifth = model.pendingChanges(max: 9, at: now, real: now)
        #expect(fifth.era > fourth.era)
    }

    @Test("two stores have no era in common")
    func numbers() {
        var (one, other) = (MemoryModel(), MemoryModel())
        let first = one.pendingChanges(max: 9, at: now, real: now).era
        #expect(other.pendingChanges(max: 9, at: now, real: now + .seconds(1)).era > first)
    }

    @Test("a change that nobody settled for an hour is forgotten with its era")
    func forgetting() {
        var model = MemoryModel()
        let era = model.pendingChanges(max: 9, at: now, real: now).era
        delete(1, in: &model, real: now)
        delete(2, in: &model, real: now + .seconds(1))
        model.forgetChanges(at: now + .seconds(3599))
        #expect(model.pendingChanges(max: 9, at: now, real: now + .seconds(2)).era == era)
        model.forgetChanges(at: now + .seconds(3600))
        let left = model.pendingChanges(max: 9, at: now, real: now + .seconds(3))
        #expect(left.era > era && left.changes.map(\.session.uuid.low) == [2])
    }
}
