// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Sojourn
import SojournHTTP
import Testing

/// What belongs to a user, and what operators ask.
@Suite("Users and operators over HTTP") struct UsersRoutesTests {
    let api = APITester()

    @Test("a user's sessions are listed, ended and erased, whatever the name")
    func life() async throws {
        let body = #"{"user_id":"김 anna/1"}"#
        let token = try await api.begin(body)
        _ = try await api.send(.post, "/v1/session/conversations", #"{"input_text":"hi"}"#, token: token)
        let path = "/v1/users/%EA%B9%80%20anna%2F1"
        #expect(try await api.send(.get, path + "/sessions", token: APITester.key).items.count == 1)
        #expect(try await api.send(.get, path + "/conversations", token: APITester.key).items.count == 1)
        #expect(try await api.send(.delete, path + "/sessions", token: APITester.key).json["ended"] as? Int == 1)
        #expect(try await api.send(.get, path + "/sessions", token: APITester.key).items.isEmpty)
        let ended = try await api.send(.get, path + "/sessions?status=ended", token: APITester.key)
        #expect(ended.items.first?["end_reason"] as? String == "revoked")
        #expect(try await api.send(.get, path + "/sessions?status=all", token: APITester.key).items.count == 1)
        let receipt = try await api.send(.delete, path, token: APITester.key)
        #expect(receipt.json["sessions"] as? Int == 1)
        #expect(receipt.json["conversations"] as? Int == 1)
    }

    @Test("session-stats counts")
    func statistics() async throws {
        _ = try await api.begin()
        let stats = try await api.send(.get, "/v1/admin/session-stats", token: APITester.key)
        #expect(stats.json["active_sessions"] as? Int == 1)
        #expect((stats.json["active_by_type"] as? [String: Int])?["web"] == 1)
        let now = api.clock.now.text
        #expect(stats.json["timestamp"] as? String == now)
    }

    @Test("cleanup-sessions begins a sweep where one runs")
    func cleanup() async throws {
        #expect(try await api.send(.post, "/v1/admin/cleanup-sessions", token: APITester.key).status == 501)
        try await confirmation { swept in
            let sweeping = APITester { $0.sweepNow = { swept() } }
            let answer = try await sweeping.send(.post, "/v1/admin/cleanup-sessions", token: APITester.key)
            #expect(answer.status == 202)
        }
    }

    @Test("integrity tells by its status whether all is well")
    func integrity() async throws {
        let good = try await api.send(.get, "/v1/admin/integrity", token: APITester.key)
        #expect(good.status == 200)
        #expect(good.json["good"] as? Bool == true)
        let broken = APITester(store: BrokenStore(code: .storeDamaged))
        let bad = try await broken.send(.get, "/v1/admin/integrity", token: APITester.key)
        #expect(bad.status == 503)
        #expect(bad.code == "integrity_failed")
        #expect((bad.json["findings"] as? [[String: Any]])?.first?["detail"] as? String == "3 orphans")
    }
}
