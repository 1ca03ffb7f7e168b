// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
@testable import SojournPostgres
import Testing

/// Documents read back from `jsonb` are what was stored, to the byte.
@Suite("jsonb as text")
struct JSONBTextTests {
    static let documents = [
        #"{}"#, #"{"a":1}"#, #"{"locale":"ko-KR","theme":"dark"}"#,
        #"{"a":[],"b":{},"c":[1,-2,[true,null]],"d":"x, y: {z}"}"#,
        #"{"deep":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":1}}}}}}}}}"#, #"{"esc":"a\"b\\c\nd","n":1}"#,
        #"{"big":12345678901234567,"f":1.5,"e":1e+30,"z":-0.25}"#, #"{"두부":"tofu","a":"두부"}"#,
        #"{"B":1,"_":2,"a":3,"a10":4,"a9":5,"aa":6,"b":7}"#, #"{"a":"","ab":" ","a b":"  "}"#,
    ]

    @Test("the quick way and the tree agree, or the quick way leaves it to the tree", arguments: documents)
    func agrees(_ text: String) throws {
        let tree = JSONDocument(JSONDocument(stored: text).members).text
        let spaced = text.replacing(",", with: ", ").replacing("\":", with: "\": ")
        // What stands in strings was spaced too, so that is compared as it is.
        let original = text.contains("x, y") || text.contains("\\") ? text : spaced
        if let quick = JSONBText.canonical(original) { #expect(quick == tree) }
    }

    @Test("what is common goes the quick way", arguments: [documents[1], documents[2], documents[3], documents[8]])
    func isQuick(_ text: String) {
        #expect(JSONBText.canonical(text) == text)
    }

    @Test(
        "text that is no jsonb is left to the tree",
        arguments: ["", "{", "{\"a\"", "{\"a\": ", "[1 2]", "{\"a\":1}x", "{a:1}"])
    func refuses(_ text: String) {
        #expect(JSONBText.canonical(text) == nil)
    }

    @Test("PostgreSQL's own text comes back as what was stored", .onPostgres, arguments: documents)
    func comesBack(_ text: String) async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let document = JSONDocument(JSONDocument(stored: text).members)
        let id = SessionID(UUIDBytes(high: 1, low: 1))
        _ = try await store.create([NewSession(id: id, digest: nil, metadata: document)])
        #expect(try await store.find([.trusted(id, as: .service)])[0]?.session.metadata.text == document.text)
    }
}
