// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Sojourn
internal import Testing

/// Examples of searches through turns (J4).
enum JournalSearchSuite {
    /// All examples of searches.
    static let cases = finding + reading + keeping

    /// What a search finds.
    private static let finding: [ConformanceCase] = [
        example("Search: what anybody said or was answered is found, the newest first") { bench in
            let now = bench.clock.now
            let entries = [
                bench.entry(.conversation(input: "Kimchi, please", response: nil, extra: .empty), at: now),
                bench.entry(.conversation(input: "?", response: "No kimchi", extra: .empty), at: now - .days(40)),
                bench.entry(.conversation(input: "Tofu", response: "Here.", extra: .empty), at: now - .days(2)),
                bench.entry(.conversation(input: "more KIMCHI", response: "?", extra: .empty), at: now - .days(1)),
            ]
            var written: [JournalEntry] = []
            for (entry, user) in zip(entries, [UserID.alice, nil, .bob, .bob]) {
                written += try await bench.append([entry], to: try await bench.create(user).access)
            }
            let click = bench.entry(.interaction(type: "kimchi", data: .empty))
            _ = try await bench.append([click], to: try await bench.create().access)
            #expect(try await bench.search("kimchi") == [written[0], written[3], written[1]])
            #expect(try await bench.search("kimchi stew") == [])
        },
        example("Search: a turn finished later is found by its response, and by its input as before") { bench in
            let visitor = try await bench.create()
            let (turn, other) = (bench.turn("Wo ist der Kühlschrank?"), bench.turn("Und der Herd?"))
            _ = try await bench.append([turn, other], to: visitor.access)
            #expect(try await bench.search("küche").isEmpty)
            let finished = try await bench.finish(turn.id, of: visitor.access, response: "In der KÜCHE.")
            #expect(try await bench.search("küche") == [finished])
            #expect(try await bench.search("kühlschrank") == [finished])
            // A text does not go over from what was said to what was answered.
            #expect(try await bench.search("schrank?in").isEmpty)
        },
        example("Search: what is written at once is found, all of it") { bench in
            let visitors = [try await bench.create(), try await bench.create()]
            let written = try await bench.atOnce(32) { number in
                let turns = [bench.turn("turn \(number)"), bench.turn("turn and turn")]
                return try await bench.append(turns, to: visitors[number % 2].access)
            }
            #expect(Set(try await bench.search("turn")) == Set(written.joined()))
            #expect(try await bench.search("turn 31") == [written[31][0]])
        },
        example("Search: a refused turn is not found") { bench in
            let visitor = try await bench.create()
            await bench.refuses(.sequenceConflict) {
                try await bench.append([bench.turn("kimchi")], to: visitor.access, expectedTurns: 7)
            }
            #expect(try await bench.search("kimchi").isEmpty)
        },
    ]

    /// How a searched text is read.
    private static let reading: [ConformanceCase] = [
        example("Search: Korean is found from any character to any other, composed or not") { bench in
            let visitor = try await bench.create()
            let text = "냉장고에 김치가 있어요"
            let decomposed = text.decomposedStringWithCanonicalMapping
            let composed = try await bench.append([bench.turn(text)], to: visitor.access)
            bench.clock.advance(by: .instant)
            let both = try await bench.append([bench.turn(decomposed)], to: visitor.access) + composed
            _ = try await bench.append([bench.turn("냉장고에 두부가 없어요")], to: visitor.access)
            for sought in ["김치가", "고에 김", "있어요", text] {
                for form in [sought, sought.decomposedStringWithCanonicalMapping] {
                    #expect(try await bench.search(form) == both, "\(sought)")
                }
            }
            #expect(try await bench.search("김치는").isEmpty)
        },
        example("Search: texts are compared character by character, in small letters, of any script") { bench in
            let visitor = try await bench.create()
            let texts = ["สวัสดี", "ΜΟΥΣΑΚΑΣ", "ο δρόμος", "👍🏽👍🏽👍🏽", "Straße", "ÉCLAIR"]
            for text in texts { _ = try await bench.append([bench.turn(text)], to: visitor.access) }
            let wanted: KeyValuePairs = [
                "สวัสด": 0, "μους": 1, "ΜΟΥΣΑΚΑς": 1, "ΔΡΌΜΟΣ": 2, "δρόμοσ": 2, "👍🏽👍": 3, "straß": 4, "éclair": 5,
                "e\u{301}clair": 5,
            ]
            for (sought, index) in wanted {
                #expect(try await bench.search(sought).map(\.input) == [texts[index]], "\(sought)")
                let found = try await bench.history(visitor, query: HistoryQuery(text: sought))
                #expect(found.map(\.input) == [texts[index]], "\(sought)")
            }
        },
        example("Search: one and two characters are sought within a session") { bench in
            let (visitor, other) = (try await bench.create(), try await bench.create())
            let texts = ["김치가 있어요", "두부가 있어요", "물"]
            for text in texts {
                _ = try await bench.append([bench.turn(text)], to: visitor.access)
                bench.clock.advance(by: .instant)
            }
            _ = try await bench.append([bench.turn(texts[0])], to: other.access)
            let wanted = ["김": [0], "치가": [0], "가": [1, 0], "가 ": [1, 0], "물": [2], "밥": []]
            for (sought, indices) in wanted {
                for form in [sought, sought.decomposedStringWithCanonicalMapping] {
                    let found = try await bench.history(visitor, query: HistoryQuery(text: form))
                    #expect(found.map(\.input) == indices.map { texts[$0] }, "\(sought)")
                }
            }
        },
        example("Search: signs of patterns and of query languages are plain text") { bench in
            let visitor = try await bench.create()
            let texts = [
                "100% sure", "100 or sure", "a_bc", "axbc", #"back\slash"#, "backslash", #"say "hi" now"#, "say hi now",
                "star*dust", "stardust", "cats AND dogs", "dogs, cats", "NEAR(cats dogs, 2)", "NOT now", "text : x",
                "it's", "its", "^start", "(open", "+plus -minus", "%%%", "___", #"""""#, "a%b", "[ab]c", "?[a-c]",
            ]
            _ = try await bench.append(texts.map { bench.turn($0) }, to: visitor.access)
            let parts = [
                "00% ", "_bc", #"k\s"#, #""hi""#, "*dust", "r*d", " OR ", "AND", "NEAR(", " : ", "[ab]", "%b%",
            ]
            for sought in texts + parts where sought.count >= HistoryQuery.indexedTextMin {
                let wanted = texts.filter { $0.lowercased().contains(sought.lowercased()) }
                #expect(Set(try await bench.search(sought).map(\.input)) == Set(wanted), "\(sought)")
            }
        },
        example("Search: as long a text as there may be is found, and only by all of it") { bench in
            let visitor = try await bench.create()
            let text = (0..<200).map { _ in "냉장고에\n" }.joined() + "김치 🙂가 있어요."
            _ = try await bench.append([bench.turn(text), bench.turn(text + "!")], to: visitor.access)
            #expect(try await bench.search(String(text.suffix(200))).count == 2)
            #expect(try await bench.search(String(text.suffix(199)) + "!").count == 1)
            #expect(try await bench.search(String(text.suffix(199)) + "?").isEmpty)
        },
        example("Search: pages follow each other without gap or repeat, within one moment too") { bench in
            let visitor = try await bench.create()
            let now = bench.clock.now
            let steps: [Duration] = [
                .zero, .zero, .zero, .instant, .instant, .seconds(1), .days(31), .days(31), .days(400),
            ]
            var written: [JournalEntry] = []
            for (number, step) in (steps + steps).enumerated() {
                let turn = bench.turn(number.isMultiple(of: 3) ? "tofu" : "kimchi \(number)", at: now - step)
                written += try await bench.append([turn], to: visitor.access)
            }
            let sorted = written.filter { $0.input != "tofu" }.sorted { ($0.at, $0.id) > ($1.at, $1.id) }
            for limit in [1, 2, 5, 100] { #expect(try await bench.search("kimchi", limit: limit) == sorted) }
            let bounds: [(Timestamp?, Timestamp?)] = [
                (now - .instant, nil), (nil, now), (now - .days(31), now), (nil, now - .days(31)), (now, now),
            ]
            for (from, to) in bounds {
                let wanted = sorted.filter { $0.at >= from ?? $0.at && $0.at < to ?? $0.at + .instant }
                #expect(try await bench.search("kimchi", from: from, to: to, limit: 2) == wanted)
            }
        },
    ]

    /// How long turns are found.
    private static let keeping: [ConformanceCase] = [
        example("Search: what was deleted, erased or kept long enough is found no more") { bench in
            let gone = [try await bench.create(), try await bench.create(.alice), try await bench.create()]
            let unbound = try await bench.create(.alice)
            let stays = try await bench.create(.bob, policy: SessionPolicy(life: .days(90)))
            for visitor in gone + [unbound, stays] {
                let turn = bench.turn("kimchi")
                _ = try await bench.append([bench.turn("more kimchi"), turn], to: visitor.access)
                _ = try await bench.finish(turn.id, of: visitor.access, response: "kimchi it is")
            }
            #expect(try await bench.search("kimchi").count == 10)
            _ = try await bench.store.delete(gone[0].id)
            #expect(try await bench.search("kimchi").count == 8)
            _ = try await bench.store.erase(.alice)
            #expect(try await bench.search("kimchi").count == 4)
            _ = try await bench.store.end([gone[2].trusted])
            bench.clock.advance(by: .days(30))
            _ = try await bench.store.sweep(SweepOrder(lap: .off))
            #expect(Set(try await bench.search("kimchi").map(\.sessionID)) == [stays.id])
            // Other findings are about a clock and months that this bench does not keep.
            let kept = ["search", "orphans"]
            let findings = try await bench.store.integrity().findings.filter { finding in
                kept.contains { finding.check.hasPrefix($0) }
            }
            #expect(findings.filter { !$0.isGood }.isEmpty, "\(findings)")
        },
        example("Search: what comes after something deleted is found under its own name only") { bench in
            let first = try await bench.create()
            _ = try await bench.append([bench.turn("kimchi")], to: first.access)
            _ = try await bench.store.delete(first.id)
            let second = try await bench.create()
            let turn = bench.turn("kimchi too")
            let written = try await bench.append([turn, bench.turn("tofu")], to: second.access)
            #expect(try await bench.search("kimchi") == [written[0]])
            #expect(try await bench.search("tofu") == [written[1]])
        },
    ]

    /// An example for stores that keep a journal.
    private static func example(
        _ name: String, steps: @escaping @Sendable (Bench) async throws -> Void
    ) -> ConformanceCase {
        ConformanceCase(name, needs: .journal, steps: steps)
    }
}

extension Bench {
    /// Everybody's turns in which a text stands, read in pages of `limit`.
    fileprivate func search(
        _ text: String, from: Timestamp? = nil, to: Timestamp? = nil, limit: Int = 100
    ) async throws -> [JournalEntry] {
        var found: [JournalEntry] = []
        var next: PageCursor?
        repeat {
            let page = try await journal.history(
                .conversations, of: .everybody, HistoryQuery(from: from, to: to, text: text),
                page: PageRequest(limit: limit, after: next))
            #expect(page.items.count == limit || page.next == nil)
            found += page.items
            next = page.next
        } while next != nil && found.count < 1000
        return found
    }
}

extension JournalEntry {
    /// What was said in a turn; empty for other kinds.
    fileprivate var input: String {
        guard case .conversation(let input, _, _) = body else { return "" }
        return input
    }
}
