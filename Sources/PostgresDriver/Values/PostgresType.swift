// SPDX-License-Identifier: Apache-2.0

/// A type of PostgreSQL, by its object id.
///
/// The ids of built-in types are fixed by PostgreSQL's catalogue (`src/include/catalog/pg_type.dat`).
public struct PostgresType: RawRepresentable, Sendable, Hashable {
    /// The object id in `pg_type`; 0 leaves the choice to the server.
    public let rawValue: UInt32

    /// The type with object id `rawValue`.
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    private init(_ rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

extension PostgresType {
    /// The server infers the type from where the parameter stands.
    public static let inferred = Self(0)
    /// `boolean`
    public static let bool = Self(16)
    /// `bytea`
    public static let bytea = Self(17)
    /// `bigint`
    public static let int8 = Self(20)
    /// `smallint`
    public static let int2 = Self(21)
    /// `integer`
    public static let int4 = Self(23)
    /// `text`
    public static let text = Self(25)
    /// `json`
    public static let json = Self(114)
    /// `double precision`
    public static let float8 = Self(701)
    /// `inet`
    public static let inet = Self(869)
    /// `timestamp with time zone`
    public static let timestamptz = Self(1184)
    /// `uuid`
    public static let uuid = Self(2950)
    /// `jsonb`
    public static let jsonb = Self(3802)
}

extension PostgresType {
    /// `boolean[]`
    public static let bools = Self(1000)
    /// `bytea[]`
    public static let byteas = Self(1001)
    /// `smallint[]`
    public static let int2s = Self(1005)
    /// `integer[]`
    public static let int4s = Self(1007)
    /// `text[]`
    public static let texts = Self(1009)
    /// `bigint[]`
    public static let int8s = Self(1016)
    /// `double precision[]`
    public static let float8s = Self(1022)
    /// `timestamp with time zone[]`
    public static let timestamptzs = Self(1185)
    /// `uuid[]`
    public static let uuids = Self(2951)
    /// `jsonb[]`
    public static let jsonbs = Self(3807)
}

extension PostgresType {
    /// `real`; results only.
    static let float4 = Self(700)
    /// `"char"`, `name`, `char(n)`, `varchar`, the enumerations' neighbours: on the wire all of them are plain text.
    static let plainTexts: Set<PostgresType> = [.text, Self(18), Self(19), Self(705), Self(1042), Self(1043)]
    /// Ids from here on belong to types made by users; an enumeration among them is plain text on the wire.
    static let firstUserDefined: UInt32 = 16_384
}
