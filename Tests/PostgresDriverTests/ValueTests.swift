// SPDX-License-Identifier: Apache-2.0
import PostgresDriver
import Testing

/// Every type there and back, at its edges.
@Suite("Values", .enabled(if: TestServer.isThere)) struct ValueTests {
    /// Runs `SELECT $1::TYPE` with one argument.
    private func echo<Value: Sendable>(
        _ type: PostgresType, _ name: String, _ append: (inout PostgresArguments) -> Void,
        _ read: (PostgresRow) throws -> Value
    ) async throws -> Value {
        var arguments = PostgresArguments()
        append(&arguments)
        return try await TestServer.withClient { client in
            try read(await client.query(PostgresCall(PostgresStatement("SELECT $1::\(name)", [type]), arguments))[0])
        }
    }

    @Test("integers keep their ends", arguments: [0, 1, -1, Int.max, Int.min]) func int8(value: Int) async throws {
        #expect(
            try await echo(.int8, "bigint") {
                $0.append(int8: Int64(value))
            } _: {
                try $0.int(0)
            } == value)
    }

    @Test("smaller integers too") func smallIntegers() async throws {
        for value in [Int32.min, -1, 0, .max] {
            #expect(
                try await echo(.int4, "int") {
                    $0.append(int4: value)
                } _: {
                    try $0.int(0)
                } == Int(value))
        }
        for value in [Int16.min, -1, 0, .max] {
            #expect(
                try await echo(.int2, "smallint") {
                    $0.append(int2: value)
                } _: {
                    try $0.int(0)
                } == Int(value))
        }
    }

    @Test("text of any length and script", arguments: ["", "a", "häß 東京 🐘", String(repeating: "x", count: 100_000)])
    func text(value: String) async throws {
        #expect(
            try await echo(.text, "text") {
                $0.append(text: value)
            } _: {
                try $0.text(0)
            } == value)
    }

    @Test("text with a NUL character is refused before it is sent") func textNUL() async throws {
        let error = await expectFailure(.invalidArgument) {
            try await echo(.text, "text") {
                $0.append(text: "a\0b")
            } _: {
                try $0.text(0)
            }
        }
        #expect(error?.message.contains("$1") == true)
        await expectFailure(.invalidArgument) {
            try await echo(.texts, "text[]") {
                $0.append(texts: ["a", "\0"])
            } _: { _ in
            }
        }
    }

    @Test("bytes, none of them and all of them", arguments: [[], [0], Array(0...255)] as [[UInt8]])
    func bytes(value: [UInt8]) async throws {
        #expect(
            try await echo(.bytea, "bytea") {
                $0.append(bytes: value)
            } _: {
                try $0.bytes(0)
            } == value)
        let lent = try await echo(.bytea, "bytea") {
            $0.append(bytes: value)
        } _: { row in
            try row.withBytes(0) { Array($0) }
        }
        #expect(lent == value)
    }

    @Test("booleans, floating point, UUIDs, JSON") func others() async throws {
        #expect(
            try await echo(.bool, "bool") {
                $0.append(bool: true)
            } _: {
                try $0.bool(0)
            })
        for value in [0, -0.5, .infinity, .greatestFiniteMagnitude] as [Double] {
            #expect(
                try await echo(.float8, "float8") {
                    $0.append(float8: value)
                } _: {
                    try $0.double(0)
                } == value)
        }
        let uuid = (UInt64.max - 1, UInt64(7))
        let back = try await echo(.uuid, "uuid") {
            $0.append(uuid: uuid)
        } _: {
            try $0.uuid(0)
        }
        #expect(back == uuid)
        let json = try await echo(.jsonb, "jsonb") {
            $0.append(json: #"{"a":[1,null]}"#)
        } _: {
            try $0.json(0)
        }
        #expect(json == #"{"a": [1, null]}"#)
    }

    @Test("instants in microseconds", arguments: [0, 1, -1, 1_763_683_200_123_456, -62_135_596_800_000_000] as [Int64])
    func instants(value: Int64) async throws {
        let back = try await echo(.timestamptz, "timestamptz") {
            $0.append(microseconds: value)
        } _: {
            try $0.microseconds(0)
        }
        #expect(back == value)
    }

    @Test("an instant means what the server means") func epoch() async throws {
        let seconds = try await echo(.timestamptz, "timestamptz") {
            $0.append(microseconds: 1_763_683_200_000_000)
        } _: {
            try $0.microseconds(0)
        }
        #expect(seconds == 1_763_683_200_000_000)
        try await TestServer.withClient { client in
            let row = try await client.query(PostgresCall(once: "SELECT '2025-11-21 00:00:00Z'::timestamptz"))[0]
            #expect(try row.microseconds(0) == 1_763_683_200_000_000)
        }
    }

    @Test("NULL of every type") func nulls() async throws {
        try await TestServer.withClient { client in
            var arguments = PostgresArguments(capacity: 64)
            arguments.append(bool: nil)
            arguments.append(int2: nil)
            arguments.append(int4: nil)
            arguments.append(int8: nil)
            arguments.append(float8: nil)
            arguments.append(text: nil)
            arguments.append(uuid: nil)
            arguments.append(bytes: nil as [UInt8]?)
            arguments.append(microseconds: nil as Int64?)
            arguments.append(json: nil)
            arguments.appendNull()
            let types: [PostgresType] = [
                .bool, .int2, .int4, .int8, .float8, .text, .uuid, .bytea, .timestamptz, .jsonb, .text,
            ]
            let list = (1...types.count).map { "$\($0)" }.joined(separator: ", ")
            let row = try await client.query(PostgresCall(PostgresStatement("SELECT \(list)", types), arguments))[0]
            for column in types.indices { #expect(row.isNull(column)) }
            #expect(try row.optionalBool(0) == nil)
            #expect(try row.optionalInt(3) == nil)
            #expect(try row.optionalDouble(4) == nil)
            #expect(try row.optionalText(5) == nil)
            #expect(try row.optionalUUID(6) == nil)
            #expect(try row.optionalBytes(7) == nil)
            #expect(try row.optionalMicroseconds(8) == nil)
            #expect(try row.optionalJSON(9) == nil)
            await expectFailure(.unexpectedResult) { try row.text(5) }
        }
    }

    @Test("arrays with NULLs, and empty ones, as the server sees them") func arrays() async throws {
        try await TestServer.withClient { client in
            var arguments = PostgresArguments()
            arguments.append(int4s: [1, nil, -3])
            arguments.append(int8s: [])
            arguments.append(texts: ["a", "", nil, "c,\"{}"])
            arguments.append(uuids: [(0, 1), nil])
            arguments.append(bytes: [[1, 2], [], nil] as [[UInt8]?])
            arguments.append(microseconds: [0, nil] as [Int64?])
            arguments.append(jsons: ["1", nil])
            arguments.append(bools: [true, false, nil])
            arguments.append(float8s: [1.5, nil])
            let statement = PostgresStatement(
                """
                SELECT $1::text || ' ' || $2::text || ' ' || $3::text || ' ' || $4::text || ' ' || $5::text
                    || ' ' || (extract(epoch FROM $6[1]) = 0)::text || ' ' || $7::text || ' ' || $8::text || ' ' || $9::text
                """, [.int4s, .int8s, .texts, .uuids, .byteas, .timestamptzs, .jsonbs, .bools, .float8s])
            let text = try await client.query(PostgresCall(statement, arguments))[0].text(0)
            #expect(
                text == #"{1,NULL,-3} {} {a,"",NULL,"c,\"{}"} {00000000-0000-0000-0000-000000000001,NULL} "#
                    + #"{"\\x0102","\\x",NULL} true {1,NULL} {t,f,NULL} {1.5,NULL}"#)
        }
    }

    @Test("arrays of the server's, with NULLs and without anything") func serverArrays() async throws {
        try await TestServer.withClient { client in
            let row = try await client.query(
                PostgresCall(
                    once: """
                        SELECT ARRAY[1, NULL, -3], '{}'::bigint[], ARRAY['a', '', NULL], '{00000000-0000-0001-0000-000000000002}'::uuid[],
                            ARRAY['\\x00ff'::bytea], ARRAY[[1], [2]], '[5:6]={7,8}'::int[]
                        """))[0]
            #expect(try row.ints(0) == [1, nil, -3])
            #expect(try row.ints(1) == [])
            #expect(try row.texts(2) == ["a", "", nil])
            #expect(try row.uuids(3)[0]?.0 == 1)
            #expect(try row.uuids(3)[0]?.1 == 2)
            #expect(try row.byteArrays(4) == [[0, 255]])
            #expect(try row.ints(6) == [7, 8])
            await expectFailure(.unexpectedResult) { try row.ints(5) }
            await expectFailure(.unexpectedResult) { try row.texts(0) }
            await expectFailure(.unexpectedResult) { try row.int(0) }
        }
    }

    @Test("reading what is not there throws and never traps") func misreadings() async throws {
        try await TestServer.withClient { client in
            let row = try await client.query(PostgresCall(once: "SELECT 1::int, 'x'::text, 'infinity'::timestamptz"))[0]
            await expectFailure(.unexpectedResult) { try row.text(0) }
            await expectFailure(.unexpectedResult) { try row.int(1) }
            await expectFailure(.unexpectedResult) { try row.uuid(0) }
            await expectFailure(.unexpectedResult) { try row.int(3) }
            await expectFailure(.unexpectedResult) { try row.int(-1) }
            await expectFailure(.unexpectedResult) { try row.int(.max) }
            await expectFailure(.unexpectedResult) { try row.microseconds(2) }
            #expect(!row.isNull(99))
        }
    }
}
