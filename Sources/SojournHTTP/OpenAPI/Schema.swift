// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// A JSON Schema (2020-12, as OpenAPI 3.1 takes it) of an input or an answer.
struct Schema: Sendable {
    /// The schema as it is printed.
    let json: [String: JSONValue]

    /// The schema `json`.
    init(_ json: [String: JSONValue]) {
        self.json = json
    }

    /// A component by its name.
    static func ref(_ name: String) -> Schema {
        Schema(["$ref": .string("#/components/schemas/\(name)")])
    }

    /// Text: of a length in characters, of a format, after a pattern.
    static func string(_ lengths: ClosedRange<Int>? = nil, format: String? = nil, pattern: String? = nil) -> Schema {
        var json: [String: JSONValue] = ["type": .string("string")]
        if let lengths {
            json["minLength"] = .integer(Int64(lengths.lowerBound))
            json["maxLength"] = .integer(Int64(lengths.upperBound))
        }
        json["format"] = format.map { .string($0) }
        json["pattern"] = pattern.map { .string($0) }
        return Schema(json)
    }

    /// One of these texts.
    static func oneOf(_ texts: [String]) -> Schema {
        Schema(["type": .string("string"), "enum": .array(texts.map { .string($0) })])
    }

    /// A whole number within bounds.
    static func integer(_ range: ClosedRange<Int64>) -> Schema {
        bounded("integer", range)
    }

    /// A number within bounds.
    static func number(_ range: ClosedRange<Int64>) -> Schema {
        bounded("number", range)
    }

    private static func bounded(_ type: String, _ range: ClosedRange<Int64>) -> Schema {
        Schema([
            "type": .string(type), "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound),
        ])
    }

    /// A count: 0 or more.
    static let count = Schema(["type": .string("integer"), "minimum": .integer(0)])
    /// True or false.
    static let boolean = Schema(["type": .string("boolean")])
    /// A moment in RFC 3339.
    static let time = string(format: "date-time")
    /// A UUID.
    static let uuid = string(format: "uuid")
    /// An object with any members.
    static let anyObject = Schema(["type": .string("object")])
    /// Text without U+0000, which PostgreSQL cannot keep.
    static let noNUL = "^[^\\u0000]*$"
    /// A client's own JSON value.
    static let freeValue = ref("FreeValue")
    /// A client's own JSON object: metadata, claims, data.
    static let freeObject = ref("FreeObject")

    /// The named schemas of clients' own JSON: anything but U+0000, in keys as in values, which PostgreSQL's `jsonb`
    /// cannot keep. The limits of whole documents, their bytes and depth, have no words in JSON Schema.
    static let freeComponents: [String: Schema] = {
        let object = Schema([
            "type": .string("object"), "propertyNames": .object(["pattern": .string(noNUL)]),
            "additionalProperties": .object(freeValue.json),
        ])
        let plain = Schema(["type": .array(["null", "boolean", "number"].map { .string($0) })])
        let value = [plain, string(pattern: noNUL), array(of: freeValue), freeObject]
        return ["FreeObject": object, "FreeValue": Schema(["anyOf": .array(value.map { .object($0.json) })])]
    }()

    /// An array.
    static func array(of element: Schema, count: ClosedRange<Int>? = nil) -> Schema {
        var json: [String: JSONValue] = ["type": .string("array"), "items": .object(element.json)]
        if let count {
            json["minItems"] = .integer(Int64(count.lowerBound))
            json["maxItems"] = .integer(Int64(count.upperBound))
        }
        return Schema(json)
    }

    /// An object with these members and no other; those named in `optional` may be absent.
    static func object(_ members: [String: Schema], optional: Set<String> = []) -> Schema {
        let required = members.keys.filter { !optional.contains($0) }.sorted()
        var json: [String: JSONValue] = [
            "type": .string("object"), "additionalProperties": .bool(false),
            "properties": .object(members.mapValues { .object($0.json) }),
        ]
        if !required.isEmpty { json["required"] = .array(required.map { .string($0) }) }
        return Schema(json)
    }

    /// A request's object: each member may be absent or null but those named in `required`.
    static func input(_ members: [String: Schema], required: Set<String> = []) -> Schema {
        let nullable = members.map { name, schema in (name, required.contains(name) ? schema : schema.orNull) }
        return object(Dictionary(uniqueKeysWithValues: nullable), optional: Set(members.keys).subtracting(required))
    }

    /// This, or null.
    var orNull: Schema {
        guard case .string(let type)? = json["type"], json["enum"] == nil else {
            return Schema(["anyOf": .array([.object(json), .object(["type": .string("null")])])])
        }
        var json = json
        json["type"] = .array([.string(type), .string("null")])
        return Schema(json)
    }

    /// One of two.
    static func either(_ first: Schema, _ second: Schema) -> Schema {
        Schema(["oneOf": .array([.object(first.json), .object(second.json)])])
    }

    /// A page of a listing.
    static func page(of element: Schema) -> Schema {
        object(["items": array(of: element), "next": string().orNull])
    }
}

extension Schema {
    /// The rule that a query parameter's text breaks, in words; nil where it breaks none.
    func rule(brokenBy text: String) -> String? {
        if case .array(let words)? = json["enum"] {
            let words = words.compactMap { if case .string(let word) = $0 { word } else { nil } }
            return words.contains(text) ? nil : "Must be " + words.joined(separator: " or ") + "."
        }
        if json["type"] == .string("integer") {
            let number = text.utf8.allSatisfy { (48...57).contains($0) } ? Int64(text) : nil
            guard let least = bound("minimum"), let most = bound("maximum") else { return nil }
            return number.map { (least...most).contains($0) } == true
                ? nil : "Must be a whole number from \(least) to \(most)."
        }
        if json["format"] == .string("date-time") {
            return Timestamp(text) == nil ? "Must be a time in RFC 3339, such as 2026-01-31T12:00:00Z." : nil
        }
        guard let least = bound("minLength"), let most = bound("maxLength") else { return nil }
        return (least...most).contains(Int64(text.unicodeScalars.count))
            ? nil : "Must be \(least) to \(most) characters."
    }

    private func bound(_ name: String) -> Int64? {
        guard case .integer(let bound)? = json[name] else { return nil }
        return bound
    }
}
