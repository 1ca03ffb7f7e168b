// SPDX-License-Identifier: Apache-2.0

/// A user's gender, as the tables keep it.
public enum RetailGender: String, Sendable, Hashable, CaseIterable {
    /// Male.
    case male = "M"
    /// Female.
    case female = "F"
}

/// A row of `users` (C1).
public struct RetailUser: Sendable, Hashable {
    /// Who it is.
    public let id: UserID
    /// The name; nil for a stub, a user who was registered by a session alone.
    public let name: String?
    /// The gender.
    public let gender: RetailGender?
    /// The age in years.
    public let age: Int?
    /// The age's group, in the words of `RetailLocale`.
    public let ageGroup: String?
    /// The first administrative unit of the address.
    public let region: String?
    /// Since when they are a user.
    public let joinDate: CalendarDate
    /// When the row was last cached; nil for never.
    public let lastCachedAt: Timestamp?
    /// When the row was made.
    public let createdAt: Timestamp
    /// Raised by every change of what a cache serves, from 1.
    public let version: Int

    /// The longest name, in characters (Unicode scalars).
    public static let nameMax = 100
    /// The ages that a user may have.
    public static let ages = 0...150

    /// A row: for stores.
    public init(
        id: UserID, name: String?, gender: RetailGender?, age: Int?, ageGroup: String?, region: String?,
        joinDate: CalendarDate, lastCachedAt: Timestamp?, createdAt: Timestamp, version: Int
    ) {
        self.id = id
        self.name = name
        self.gender = gender
        self.age = age
        self.ageGroup = ageGroup
        self.region = region
        self.joinDate = joinDate
        self.lastCachedAt = lastCachedAt
        self.createdAt = createdAt
        self.version = version
    }

    /// The row as every face shows it.
    public var json: JSONValue {
        .object([
            "user_id": .string(id.text), "name": .optional(name), "gender": .optional(gender?.rawValue),
            "age": .optional(age), "age_group": .optional(ageGroup), "region": .optional(region),
            "join_date": .string(joinDate.text), "last_cached_at": .optional(lastCachedAt?.text),
            "created_at": .string(createdAt.text), "version": .integer(Int64(version)),
        ])
    }
}

/// A user to be made, or a stub to be completed.
public struct RetailUserDraft: Sendable, Hashable {
    /// Who it is; by default a new UUID.
    public var id: UserID
    /// The name, 1 to 100 characters.
    public var name: String
    /// The gender; nil where it is not known, as below.
    public var gender: RetailGender?
    /// The age, 0 to 150.
    public var age: Int?
    /// The address, which the region is taken from and which is not kept.
    public var address: String?
    /// The region; not beside an address.
    public var region: String?
    /// Since when they are a user; nil for today, or what a stub has.
    public var joinDate: CalendarDate?
    /// When the row was made; nil for now.
    public var createdAt: Timestamp?

    /// A user of whom the name is known.
    public init(id: UserID = .new(), name: String) {
        self.id = id
        self.name = name
    }

    /// Reads a user from a JSON object: null counts as absent.
    ///
    /// - Parameter place: where the object stands, before a field's name.
    /// - Throws: `invalidInput` naming the field that is missing, unknown or of another type.
    public init(json: [String: JSONValue], place: String = "") throws {
        var fields = JSONFields(json, place: place)
        id = try fields.user("user_id") ?? .new()
        name = try fields.required("name") { try $0.text($1) }
        gender = try fields.gender("gender")
        age = try fields.number("age")
        address = try fields.text("address")
        region = try fields.text("region")
        joinDate = try fields.date("join_date")
        createdAt = try fields.time("created_at")
        try fields.finish()
    }

    /// The region, given or taken from the address.
    public var derivedRegion: String? { region ?? address.flatMap { Region.of(address: $0) } }

    /// The age's group.
    public func ageGroup(_ locale: RetailLocale) -> String? { age.map { locale.ageGroup(of: $0) } }

    /// Holds the values to their limits.
    ///
    /// - Throws: `invalidInput` naming the field.
    public func check(place: String = "") throws {
        let check = RetailCheck(place: place)
        try check.name(name, "name", lengthMax: RetailUser.nameMax)
        try check.number(age, "age", RetailUser.ages)
        try check.name(address, "address", lengthMax: Region.addressMax)
        try check.name(region, "region", lengthMax: Region.lengthMax)
        try check.oneOf(address: address != nil, region: region != nil)
    }
}

/// Changes of a user.
public struct RetailUserPatch: Sendable, Hashable {
    /// The name.
    public var name: FieldChange<String> = .keep
    /// The gender.
    public var gender: FieldChange<RetailGender?> = .keep
    /// The age, and its group with it.
    public var age: FieldChange<Int?> = .keep
    /// The address that the region is taken from; nil clears the region.
    public var address: FieldChange<String?> = .keep
    /// The region; not beside an address.
    public var region: FieldChange<String?> = .keep
    /// Since when they are a user.
    public var joinDate: FieldChange<CalendarDate> = .keep

    /// No change yet.
    public init() {}

    /// Reads a JSON merge patch (RFC 7396): what is absent stays, null clears.
    ///
    /// - Throws: `invalidInput` naming the field that is unknown, of another type, or may not be null.
    public init(json: [String: JSONValue]) throws {
        var fields = JSONFields(json, place: "")
        name = try fields.firmChange("name") { try $0.text($1) }
        gender = try fields.change("gender") { try $0.gender($1) }
        age = try fields.change("age") { try $0.number($1) }
        address = try fields.change("address") { try $0.text($1) }
        region = try fields.change("region") { try $0.text($1) }
        joinDate = try fields.firmChange("join_date") { try $0.date($1) }
        try fields.finish()
    }

    /// The change of the region, given or taken from the address.
    public var derivedRegion: FieldChange<String?> {
        guard case .set(let address) = address else { return region }
        return .set(address.flatMap { Region.of(address: $0) })
    }

    /// The change of the age's group.
    public func ageGroup(_ locale: RetailLocale) -> FieldChange<String?> {
        guard case .set(let age) = age else { return .keep }
        return .set(age.map { locale.ageGroup(of: $0) })
    }

    /// Holds the new values to their limits.
    ///
    /// - Throws: `invalidInput` naming the field.
    public func check() throws {
        let check = RetailCheck(place: "")
        try check.name(name.value(), "name", lengthMax: RetailUser.nameMax)
        try check.number(age.value(), "age", RetailUser.ages)
        try check.name(address.value(), "address", lengthMax: Region.addressMax)
        try check.name(region.value(), "region", lengthMax: Region.lengthMax)
        try check.oneOf(address: address != .keep, region: region != .keep)
    }
}

extension UserID {
    /// A new name, unused for all practical purposes: the text of a UUID version 7.
    public static func new(at time: Timestamp = SystemWallClock().now, random: RandomSource = .system) -> UserID {
        UserID(stored: UUIDBytes(version7At: time, random: random).text)
    }
}
