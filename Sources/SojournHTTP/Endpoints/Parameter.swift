// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// Something that an endpoint takes outside the body.
struct Parameter: Sendable {
    /// Where it stands.
    enum Place: String, Sendable {
        case path, query, header
    }

    /// Its name.
    let name: String
    /// Where it stands.
    let place: Place
    /// What it may be.
    let schema: Schema
    /// What it is for.
    let about: String
    /// Whether it must be there.
    var isRequired = false
}

// MARK: - The parameters that several endpoints share

extension Parameter {
    /// A session's id in the path.
    static let sessionID = path("id", .uuid, "The session's id.")
    /// A journal entry's id in the path.
    static let entryID = path("id", .uuid, "The entry's id.")
    /// A product's id in the path.
    static let productID = path("id", .productID, "The product's id, percent-encoded.")
    /// An order's id in the path.
    static let orderID = path("id", .uuid, "The order's id.")
    /// A dead letter's number in the path.
    static let letterID = path("id", .letterID, "The letter's number.")
    /// A user's id in the path.
    static let userID = path("id", .userID, "The user's id, percent-encoded.")

    /// How many elements a page has.
    static let limit = query("limit", .integer(1...500), "How many elements at most; 50 by default.")
    /// Where a page begins.
    static let cursor = query(
        "cursor", .string(1...PageCursor.lengthMax, pattern: "^[A-Za-z0-9_-]+$"), "`next` of the page before.")
    /// The earliest moment of a history.
    static let from = query("from", .time, "Entries at this moment or later.")
    /// The end of a history.
    static let to = query("to", .time, "Entries before this moment.")
    /// Search in a history.
    static let search = query(
        "q", .string(1...200, pattern: Schema.noNUL), "Turns in which this text stands, letter case ignored.")
    /// Search in everybody's history.
    static let searchOfAll = Parameter(
        name: "q", place: .query,
        schema: .string(HistoryQuery.indexedTextMin...200, pattern: Schema.noNUL),
        about: "Turns in which this text stands, letter case ignored; three composed characters or more.",
        isRequired: true)
    /// What a session is answered with.
    static let include = query("include", .oneOf(["items"]), "`items` adds what the session holds.")
    /// Where a new token goes.
    static let deliver = query(
        "deliver", .oneOf(["cookie", "both"]), "`cookie` keeps the token out of the body; `both` is the default.")

    /// The version that a change is meant for.
    static let ifMatch = Parameter(
        name: "If-Match", place: .header, schema: .string(pattern: #"^(\*|"[0-9]{1,18}")$"#),
        about: "The `ETag` of the session that was read, or `*` for whatever is current.", isRequired: true)
    /// How old an answer may be.
    static let freshness = Parameter(
        name: "Sojourn-Freshness", place: .header,
        schema: .string(pattern: "^(strict|within=[0-9]{1,6}|stale-if-down=[0-9]{1,6})$"),
        about: "How old the answer may be, in seconds; `strict` by default.")
    /// Makes a repeat of a call the same call.
    static let idempotencyKey = Parameter(
        name: "Idempotency-Key", place: .header, schema: .string(1...128, pattern: "^[!-~]{1,128}$"),
        about: "Repeats with one key within 24 h are one call, and all get the first answer.")

    private static func path(_ name: String, _ schema: Schema, _ about: String) -> Parameter {
        Parameter(name: name, place: .path, schema: schema, about: about, isRequired: true)
    }

    /// A query parameter that may be left out.
    static func query(_ name: String, _ schema: Schema, _ about: String) -> Parameter {
        Parameter(name: name, place: .query, schema: schema, about: about)
    }
}

extension Schema {
    /// A user's id.
    static let userID = string(1...UserID.lengthMax, pattern: noControl)
    /// A product's id.
    static let productID = string(1...RetailProduct.idMax, pattern: noControl)
    /// A dead letter's number.
    static let letterID = integer(1...Int64.max)
}
