// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import Sojourn

// The cache before the store.
extension SojournAPI {
    /// The route of the cache.
    static let cacheEndpoints = [cache]

    private static let cache = Endpoint(
        method: .get, path: "/v1/admin/cache", operationID: "getCache",
        summary: "How the cache before the store does, as this process sees it.", access: .service,
        capability: .cache, answer: .ok("The cache.", .ref("Cache"))
    ) { call in
        let status = try call.sessions.cacheStatus()
        return .json { json in
            json.object { json in
                json.member("phase", status.phase.rawValue)
                json.member("asked", status.isAsked)
                json.member("news_age_seconds", status.newsAge.map { Int($0 / .seconds(1)) })
                json.member("near_sessions", status.nearSessions)
                json.member("waiting_sessions", status.waitingSessions)
                json.key("answers")
                json.object { json in
                    json.member("database", status.answers.database)
                    json.member("cache", status.answers.cache)
                    json.member("near", status.answers.near)
                }
                json.member("failures", status.failures)
            }
        }
    }
}

extension Schema {
    /// The named schemas of the cache.
    static let cacheComponents: [String: Schema] = [
        "Cache": .object([
            "phase": .oneOf(Tiering.Phase.allCases.map(\.rawValue)), "asked": .boolean,
            "news_age_seconds": .count.orNull, "near_sessions": .count, "waiting_sessions": .count,
            "answers": .object(["database": .count, "cache": .count, "near": .count]), "failures": .count,
        ])
    ]
}
