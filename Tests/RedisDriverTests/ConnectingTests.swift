// SPDX-License-Identifier: Apache-2.0
import Foundation
import PostgresTestSupport
import RedisDriver
import RedisTestSupport
import Testing

/// Who we are to a real server, and how the way there is protected.
@Suite("Redis: connecting", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct RedisConnectingTests {
    /// Lends a folder.
    private static func withFolder(_ body: (String) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "redis-\(UInt32.random(in: 0 ... .max))")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(folder)
    }

    /// Makes an authority, a certificate of `localhost` by it, one of ours, and a stranger's authority.
    private static func makeCertificates(in folder: String) async throws {
        let script = """
            cd "$1"
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout server.key -out server.csr
            echo subjectAltName=DNS:localhost >san
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.crt
            openssl req -newkey rsa:2048 -nodes -subj /CN=us -keyout client.key -out client.csr
            openssl x509 -req -in client.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -out client.crt
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stranger -keyout other.key -out other.pem
            """
        _ = try await Programs.run(["sh", "-ec", script, "sh", folder])
    }

    @Test("encryption: the certificate must be by the authority and name the host; ours may be asked for")
    func encrypted() async throws {
        try await Self.withFolder { folder in
            try await Self.makeCertificates(in: folder)
            let port = try Sockets.freePort()
            let options = [
                "--tls-cert-file", "\(folder)/server.crt", "--tls-key-file", "\(folder)/server.key",
                "--tls-ca-cert-file",
                "\(folder)/ca.pem", "--tls-port", "\(port)",
            ]
            let ours = "&cert=\(folder)/client.crt&key=\(folder)/client.key"
            func ping(_ host: String, _ query: String) async throws {
                try await TestServer.withClient(url: "rediss://\(host):\(port)/2?\(query)") {
                    $0.outageGrace = .seconds(120)
                } _: { client async throws in
                    let info = try await client.send(RedisCommand("CLIENT", ["INFO"])).string()
                    #expect(info.contains("db=2") && info.contains("name=sojourn"))
                }
            }
            try await RedisServer.run(options) { _ in
                try await ping("localhost", "ca=\(folder)/ca.pem\(ours)")
                try await ping("127.0.0.1", "ca=\(folder)/ca.pem&verify=verify-ca\(ours)")
                try await ping("127.0.0.1", "ca=\(folder)/ca.pem&server_name=localhost\(ours)")
                for (host, query) in [
                    ("localhost", "ca=\(folder)/other.pem\(ours)"),
                    ("127.0.0.1", "ca=\(folder)/ca.pem\(ours)"),
                ] {
                    await expectFailure(.unreachable) { try await ping(host, query) }
                }
                await expectFailure(.configuration) { try await ping("localhost", "ca=\(folder)/none.pem") }
            }
        }
    }

    @Test("a server without encryption is not spoken to where encryption was asked for") func notEncrypted()
        async throws
    {
        try await RedisServer.run { server in
            try await TestServer.withClient(url: "rediss://127.0.0.1:\(server.port)") {
                $0.outageGrace = .zero
                $0.connectTimeout = .seconds(1)
            } _: { client async throws in
                await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
            }
        }
    }

    @Test("an ACL user sees what is its own; a wrong password is told at once; INFO may be forbidden") func users()
        async throws
    {
        try await RedisServer.run { server in
            try await server.withClient { admin in
                for rule in [["ann", "on", ">secret", "~a:*", "+@all", "-info"], ["default", ">other"]] {
                    _ = try await admin.send(RedisCommand("ACL", ["SETUSER"] + rule.map { .init($0) }))
                }
                _ = try await admin.send(RedisCommand("ACL", ["SETUSER", "default", "resetpass", ">other"]))
            }
            try await TestServer.withClient(url: "redis://ann:secret@127.0.0.1:\(server.port)") { client async throws in
                #expect(try await client.send(RedisCommand("ACL", ["WHOAMI"])).string() == "ann")
                _ = try await client.send(RedisCommand("SET", key: "a:1", ["1"]))
                let error = await expectFailure(.server) { try await client.send(RedisCommand("GET", key: "b")) }
                #expect(error?.serverCode == "NOPERM" && error?.outcome == .nothingHappened)
                let script = RedisScript("return #ARGV[1]")
                #expect(try await client.send(.script(script, keys: [], [.runID])).int() == 0)
            }
            for user in ["ann:wrong", "bob:secret", ":wrong"] {
                try await TestServer.withClient(url: "redis://\(user)@127.0.0.1:\(server.port)") {
                    $0.outageGrace = .seconds(120)
                } _: { client async throws in
                    let error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                    #expect(error?.serverCode == "WRONGPASS" && error?.isRetriable == false)
                }
            }
            try await server.withClient { client async throws in
                let error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                #expect(error?.serverCode == "NOAUTH")
            }
        }
    }

    @Test("a real server that knows no HELLO is spoken to in RESP2, with scripts and subscriptions") func older()
        async throws
    {
        try await RedisServer.run(["--requirepass", "secret", "--rename-command", "HELLO", ""]) { server in
            try await TestServer.withClient(url: "redis://:secret@127.0.0.1:\(server.port)/3") { client async throws in
                let info = try await client.send(RedisCommand("CLIENT", ["INFO"])).string()
                #expect(info.contains("resp=2") && info.contains("db=3") && info.contains("name=sojourn"))
                #expect(try await client.send(RedisCommand("GET", key: "none")).isNull)
                #expect(try await client.send(RedisCommand("LRANGE", key: "none", [0, -1])).array() == [])
                let script = RedisScript("return {'message', 'a', #ARGV[1]}")
                #expect(try await client.send(.script(script, keys: [], [.runID])).array()[2].int() == 40)
                var events = try client.subscribe(to: ["a"]).makeAsyncIterator()
                #expect(await events.next() == .established)
                #expect(try await client.send(RedisCommand("PUBLISH", ["a", "b"])).int() == 1)
                #expect(await events.next() == .message(channel: "a", payload: Array("b".utf8)))
            }
        }
    }

    @Test("a name that has several addresses, of which one may be refused, leads to the server") func name()
        async throws
    {
        // `localhost` is ::1 as well on many machines, and the server listens on 127.0.0.1.
        try await RedisServer.run { server in
            try await TestServer.withClient(url: "redis://localhost:\(server.port)") { client async throws in
                #expect(try await client.send(RedisCommand("PING")) == .text("PONG"))
            }
        }
    }

    @Test("several connections to one server, a Unix socket, and a pipeline that stays together") func several()
        async throws
    {
        try await Self.withFolder { folder in
            try await RedisServer.run(["--unixsocket", "\(folder)/socket"]) { server in
                try await TestServer.withClient(url: server.url) {
                    $0.hosts = [.init("\(folder)/socket")]
                    $0.connections = 3
                } _: { client async throws in
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for number in 0..<300 {
                            group.addTask {
                                let key = "k\(number)"
                                let results = await client.send([
                                    RedisCommand("RPUSH", key: key, [1]), RedisCommand("RPUSH", key: key, [2]),
                                    RedisCommand("LRANGE", key: key, [0, -1]), RedisCommand("CLIENT", ["ID"]),
                                    RedisCommand("CLIENT", ["ID"]),
                                ])
                                let values = try results.map { try $0.get() }
                                #expect(values[2] == .array([.bytes([49]), .bytes([50])]))
                                #expect(values[3] == values[4])
                            }
                        }
                        try await group.waitForAll()
                    }
                    let clients = try await client.send(RedisCommand("CLIENT", ["LIST"])).string()
                    #expect(clients.split(separator: "\n").count == 3)
                }
            }
        }
    }

    @Test("a flush of everything is told to who tracks keys") func flush() async throws {
        try await RedisServer.run { server in
            try await server.withClient { client async throws in
                var events = try client.track(prefixes: ["a:"]).makeAsyncIterator()
                #expect(await events.next() == .began)
                _ = try await client.send(RedisCommand("FLUSHALL"))
                #expect(await events.next() == .flushed)
            }
        }
    }

    @Test("prefixes that Redis refuses do not end the sequence, and never begin") func refused() async throws {
        try await RedisServer.run { server in
            try await server.withClient { client async throws in
                var events = try client.track(prefixes: ["a", "ab"]).makeAsyncIterator()
                var errors = 0
                // Each attempt is refused; the third shows that it goes on.
                while errors < 3 {
                    let stats = try await client.send(RedisCommand("INFO", ["errorstats"])).string()
                    let line = stats.split(whereSeparator: \.isNewline).first { $0.hasPrefix("errorstat_ERR:count=") }
                    errors = line.flatMap { Int($0.dropFirst("errorstat_ERR:count=".count)) } ?? 0
                    await Task.yield()
                }
                client.close()
                #expect(await events.next() == nil)
            }
        }
    }
}
