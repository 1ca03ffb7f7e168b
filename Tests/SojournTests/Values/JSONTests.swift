// SPDX-License-Identifier: Apache-2.0

internal import Testing

@testable internal import Sojourn

@Suite("JSON and cursors")
struct JSONTests {
    @Test(
        "a merge patch does what RFC 7396, appendix A, says",
        arguments: [
            (#"{"a":"b"}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"b"}"#, #"{"b":"c"}"#, #"{"a":"b","b":"c"}"#),
            (#"{"a":"b"}"#, #"{"a":null}"#, "{}"), (#"{"a":"b","b":"c"}"#, #"{"a":null}"#, #"{"b":"c"}"#),
            (#"{"a":["b"]}"#, #"{"a":"c"}"#, #"{"a":"c"}"#), (#"{"a":"c"}"#, #"{"a":["b"]}"#, #"{"a":["b"]}"#),
            (#"{"a":{"b":"c"}}"#, #"{"a":{"b":"d","c":null}}"#, #"{"a":{"b":"d"}}"#),
            (#"{"a":[{"b":"c"}]}"#, #"{"a":[1]}"#, #"{"a":[1]}"#), (#"["a","b"]"#, #"["c","d"]"#, #"["c","d"]"#),
            (#"{"a":"b"}"#, #"["c"]"#, #"["c"]"#), (#"{"a":"foo"}"#, "null", "null"),
            (#"{"a":"foo"}"#, #""bar""#, #""bar""#), (#"{"e":null}"#, #"{"a":1}"#, #"{"a":1,"e":null}"#),
            (#"[1,2]"#, #"{"a":"b","c":null}"#, #"{"a":"b"}"#),
            ("{}", #"{"a":{"bb":{"ccc":null}}}"#, #"{"a":{"bb":{}}}"#),
        ])
    func merges(_ original: String, _ patch: String, _ result: String) throws {
        let merged = try JSONValue(parsing: original.utf8).merging(JSONValue(parsing: patch.utf8))
        #expect(try merged == JSONValue(parsing: result.utf8))
        #expect(merged.text == result)
    }

    @Test("documents are equal where their trees are, however they are spelled")
    func documentsAreEqual() {
        let one = JSONDocument(stored: #"{"a":1,"b":{"c":"ü"}}"#)
        let two = JSONDocument(stored: #"{ "b" : {"c":"\u00fc"}, "a":1 }"#)
        #expect(one == two && one.hashValue == two.hashValue)
        #expect(one != JSONDocument(stored: #"{"a":2,"b":{"c":"ü"}}"#))
        #expect(JSONDocument([:]) == .empty)
        #expect(one.merging(.empty).text == one.text)
    }

    @Test("whole numbers stay exact, and texts that are not JSON are refused")
    func parses() throws {
        for text in ["9223372036854775807", "-9223372036854775808", "0.5", #""🙂""#, "null", "true", "[]"] {
            #expect(try JSONValue(parsing: text.utf8).text == text)
        }
        for text in ["", "{", "nul", "{a:1}", "[1,]", "{\"a\":1 , }", "'a'", "\u{FEFF}{", "1 2"] {
            #expect(throws: SojournError.self, "\(text)") { try JSONValue(parsing: text.utf8) }
        }
        #expect(throws: SojournError.self) { try JSONValue(parsing: [0x7B, 0, 0x7D, 0]) }
        for text in [#"[",]"]"#, #"{"\\\",}":","}"#] { #expect(try JSONValue(parsing: text.utf8).text == text) }
        #expect(try JSONValue(parsing: #"{"a":[{"b":[]}]}"#.utf8).depth == 4)
        #expect(try JSONValue(parsing: #"{"a":["\u0000"]}"#.utf8).containsNUL)
    }

    @Test("a cursor survives its text, and is refused by another listing")
    func cursors() throws {
        let uuid = UUIDBytes(high: 1, low: 2)
        let byID = try #require(PageCursor(PageCursor(uuid).text))
        let byTime = try #require(PageCursor(PageCursor(Timestamp(microseconds: -5), uuid).text))
        let byName = try #require(PageCursor(PageCursor(9, "äpfel").text))
        #expect(try byID.uuid() == uuid)
        #expect(try byTime.timeAndUUID() == (Timestamp(microseconds: -5), uuid))
        #expect(try byName.numberAndText() == (9, "äpfel"))
        #expect { try byID.timeAndUUID() } throws: { ($0 as? SojournError)?.field == "cursor" }
        #expect { try byTime.uuid() } throws: { ($0 as? SojournError)?.code == .invalidInput }
        #expect(throws: SojournError.self) { try byName.uuid() }
        for text in ["", "A", "%%%", "AA==", String(repeating: "A", count: 513)] {
            #expect(PageCursor(text) == nil, "\(text)")
        }
    }
}
