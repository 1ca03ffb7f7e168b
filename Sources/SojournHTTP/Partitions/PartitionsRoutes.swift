// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import Sojourn

// The tables that hold the journal's turns, one a month.
extension SojournAPI {
    /// The route of partitions.
    static let partitionsEndpoints = [partitions]

    private static let partitions = Endpoint(
        method: .get, path: "/v1/admin/partitions", operationID: "getPartitions",
        summary: "The journal's partitions, and how far ahead there is room for turns.", access: .service,
        capability: .partitions, answer: .ok("The partitions.", .ref("Partitions"))
    ) { call in
        let status = try await call.sessions.partitions()
        return .json { json in
            json.object { json in
                json.member("timestamp", status.now)
                json.member("reach", status.reach)
                json.member("seconds_ahead", Int(status.ahead.components.seconds))
                json.member("items", status.partitions) { json, partition in
                    json.object { json in
                        json.member("name", partition.name)
                        json.member("month", partition.month?.description)
                        json.member("state", partition.state.rawValue)
                        json.member("from", partition.span?.lowerBound)
                        json.member("to", partition.span?.upperBound)
                        json.member("rows_estimate", partition.rows)
                        json.member("bytes", partition.bytes)
                    }
                }
            }
        }
    }
}

extension Problem {
    /// Turns will soon find no partition.
    static func partitionsMissing(_ status: PartitionStatus) -> Self {
        Self(
            status: .serviceUnavailable, code: "partitions_missing",
            detail: "There is no partition for turns from \(status.reach) on: `sojourn partitions apply` makes them.",
            details: ["seconds_ahead": .integer(status.ahead.components.seconds)], headers: [.retryAfter: "30"])
    }
}

extension Schema {
    /// The named schemas of partitions.
    static let partitionsComponents: [String: Schema] = [
        "Partitions": .object([
            "timestamp": .time, "reach": .time, "seconds_ahead": .count,
            "items": array(
                of: .object([
                    "name": .string(), "month": .string().orNull,
                    "state": .oneOf(Partition.State.allCases.map(\.rawValue)),
                    "from": .time.orNull, "to": .time.orNull, "rows_estimate": .count.orNull, "bytes": .count,
                ])),
        ])
    ]
}
