// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import Sojourn

// `/v1/admin`: what an operator asks.
extension SojournAPI {
    /// The routes for operators.
    static let adminEndpoints = [sessionStats, cleanupSessions, integrity]

    private static let sessionStats = Endpoint(
        method: .get, path: "/v1/admin/session-stats", operationID: "getSessionStats",
        summary: "Counts over all sessions.", access: .service, capability: .sessions,
        answer: .ok("The counts.", .ref("SessionStats"))
    ) { call in
        let statistics = try await call.sessions.statistics()
        return .json { json in
            json.object { json in
                json.member("active_sessions", statistics.active)
                json.member("ended_sessions", statistics.ended)
                json.member("expired_sessions", statistics.expired)
                json.member("total_sessions", statistics.total)
                json.member("total_items", statistics.items)
                json.member("created_last_hour", statistics.createdLastHour)
                json.member("created_last_day", statistics.createdLastDay)
                json.key("active_by_type")
                json.object { json in
                    for type in SessionType.allCases {
                        json.member(named: type.rawValue, .integer(Int64(statistics.activeByType[type] ?? 0)))
                    }
                }
                json.member("timestamp", statistics.at)
            }
        }
    }

    private static let cleanupSessions = Endpoint(
        method: .post, path: "/v1/admin/cleanup-sessions", operationID: "cleanupSessions",
        summary: "Begins a sweep now; metrics and the log tell what it did.", access: .service,
        capability: .sessions,
        answer: Answer(status: .accepted, about: "It has begun.", schema: .object(["status": .oneOf(["accepted"])])),
        problems: [501]
    ) { call in
        guard let sweepNow = call.configuration.sweepNow else {
            throw Problem.notAvailable("No sweep runs in this process.")
        }
        sweepNow()
        return .json(.accepted) { $0.object { $0.member("status", "accepted") } }
    }

    private static let integrity = Endpoint(
        method: .get, path: "/v1/admin/integrity", operationID: "getIntegrity",
        summary: "Looks whether what is stored hangs together; 503 with the same findings where it does not.",
        access: .service, capability: .sessions,
        answer: .ok("All is well.", .ref("IntegrityReport"))
    ) { call in
        let report = try await call.sessions.integrity()
        guard report.isGood else {
            throw Problem(
                status: .serviceUnavailable, code: "integrity_failed", detail: "What is stored does not hang together.",
                details: ["good": .bool(false), "findings": .array(report.findings.map(\.json))],
                headers: [.retryAfter: "30"])
        }
        return .json { json in
            json.object { json in
                json.member("good", true)
                json.member("findings", JSONValue.array(report.findings.map(\.json)))
            }
        }
    }
}

extension IntegrityReport.Finding {
    /// The finding as answers have it.
    fileprivate var json: JSONValue {
        .object(["check": .string(check), "good": .bool(isGood), "detail": .string(detail)])
    }
}

extension Schema {
    /// The named schemas of operators' answers.
    static let adminComponents: [String: Schema] = [
        "SessionStats": .object([
            "active_sessions": .count, "ended_sessions": .count, "expired_sessions": .count, "total_sessions": .count,
            "total_items": .count, "created_last_hour": .count, "created_last_day": .count,
            "active_by_type": .object(
                Dictionary(uniqueKeysWithValues: SessionType.allCases.map { ($0.rawValue, Schema.count) })),
            "timestamp": .time,
        ]),
        "IntegrityReport": .object(["good": .boolean, "findings": findings]),
    ]
    /// What an integrity check found.
    static let findings = array(of: .object(["check": .string(), "good": .boolean, "detail": .string()]))
}
