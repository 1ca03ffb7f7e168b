// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Testing

/// The catalogue, and what a visitor holds of it.
@Suite("Items over HTTP") struct ItemsRoutesTests {
    let api = APITester()

    @Test("are put in the catalogue, found, held, listed and removed")
    func life() async throws {
        let catalogue = #"[{"id":1,"name":"Kimchi","category":"vegetable"},{"id":2,"name":"Tofu"}]"#
        let put = try await api.send(.put, "/v1/items", catalogue, token: APITester.key)
        #expect(put.json["added"] as? Int == 2)
        #expect(try await api.send(.get, "/v1/items?prefix=ki").items.map { $0["name"] as? String } == ["Kimchi"])

        let token = try await api.begin()
        let added = try await api.send(.post, "/v1/session/items", #"{"ids":[2,1,2]}"#, token: token)
        #expect(added.json["added"] as? [Int] == [2, 1])
        let again = try await api.send(.post, "/v1/session/items", #"{"ids":[1]}"#, token: token)
        #expect(again.json["already_present"] as? [Int] == [1])
        let held = try await api.send(.get, "/v1/session/items", token: token)
        #expect(held.items.map { $0["id"] as? Int } == [2, 1])
        #expect(try await api.send(.get, "/v1/session?include=items", token: token).items.count == 2)
        let removed = try await api.send(.delete, "/v1/session/items", #"{"ids":[2,9]}"#, token: token)
        #expect(removed.json["removed"] as? Int == 1)
        #expect(try await api.send(.delete, "/v1/session/items?all=true", token: token).json["removed"] as? Int == 1)
    }

    @Test("that are unknown are named, and nothing is added")
    func unknown() async throws {
        let token = try await api.begin()
        let refused = try await api.send(.post, "/v1/session/items", #"{"ids":[7,8]}"#, token: token)
        #expect(refused.status == 422)
        #expect(refused.code == "unknown_items")
        #expect(refused.json["unknown_ids"] as? [Int] == [7, 8])
    }

    @Test(
        "are refused by name where a body is wrong",
        arguments: [
            ("{}", "ids"), (#"{"ids":1}"#, "ids"), (#"{"ids":["1"]}"#, "ids[0]"), (#"{"ids":[0]}"#, "ids[0]"),
            (#"{"ids":[1],"x":1}"#, "x"),
        ])
    func wrong(body: String, field: String) async throws {
        let token = try await api.begin()
        let answer = try await api.send(.post, "/v1/session/items", body, token: token)
        #expect(answer.status == 422)
        #expect(answer.field == field)
        #expect(try await api.send(.delete, "/v1/session/items", token: token).status == 422)
        let all = try await api.send(.delete, "/v1/session/items?all=true", body, token: token)
        #expect(all.status == 422)
        #expect(all.field == field)
    }

    @Test("with the longest names are listed page by page")
    func longNames() async throws {
        let names = (0..<3).map { String(repeating: "김", count: 199) + String($0) }
        let rows = names.enumerated().map { #"{"id":\#($0 + 1),"name":"\#($1)"}"# }
        let put = try await api.send(.put, "/v1/items", "[\(rows.joined(separator: ","))]", token: APITester.key)
        #expect(put.json["added"] as? Int == 3)
        var listed: [String?] = []
        var next: String? = ""
        while let cursor = next, listed.count <= names.count {
            let rest = cursor.isEmpty ? "" : "&cursor=\(cursor)"
            let page = try await api.send(.get, "/v1/items?limit=1\(rest)")
            #expect(page.status == 200, "\(page.text)")
            listed += page.items.map { $0["name"] as? String }
            next = page.json["next"] as? String
        }
        #expect(listed == names)
    }

    @Test("are written with a service key only")
    func access() async throws {
        #expect(try await api.send(.put, "/v1/items", "[]").status == 401)
        #expect(try await api.send(.put, "/v1/items", "[]", token: try await api.begin()).status == 403)
        let wrong = try await api.send(.put, "/v1/items", #"[{"id":1,"name":""}]"#, token: APITester.key)
        #expect(wrong.field == "[0].name")
    }
}
