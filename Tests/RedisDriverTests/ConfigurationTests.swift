// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import RedisDriver

/// URLs, what is wrong with them, and where passwords come from.
@Suite("Redis: configuration") struct RedisConfigurationTests {
    @Test("a URL says it all") func whole() throws {
        let configuration = try RedisConfiguration(
            url: """
                rediss://ann:p%40ss%2F%25@one.example:7000,%2Frun%2Fredis.sock,[::1]/3?client_name=app&connections=2\
                &connect_timeout=1&answer_timeout=0.5&outage_grace=0&verify=verify-ca&ca=/ca.pem&cert=/c.pem&key=/k.pem\
                &server_name=redis
                """)
        #expect(
            configuration.hosts == [.init("one.example", port: 7000), .init("/run/redis.sock"), .init("::1")])
        #expect(configuration.user == "ann" && configuration.database == 3 && configuration.clientName == "app")
        #expect(try configuration.password.read(timeout: .zero) == "p@ss/%")
        #expect(configuration.connections == 2 && configuration.connectTimeout == .seconds(1))
        #expect(configuration.answerTimeout == .seconds(0.5) && configuration.outageGrace == .zero)
        var tls = RedisTLS(verification: .withoutHostname, caFile: "/ca.pem")
        tls.certificateFile = "/c.pem"
        tls.keyFile = "/k.pem"
        tls.serverName = "redis"
        #expect(configuration.tls == tls)
    }

    @Test("what a URL leaves out has a default") func short() throws {
        let configuration = try RedisConfiguration(url: "redis://:secret@/")
        #expect(configuration.hosts == [.init("localhost", port: 6379)])
        #expect(configuration.user == nil && configuration.tls == nil && configuration.topology == .single)
        #expect(try RedisConfiguration(url: "REDIS://h").hosts == [.init("h")])
        #expect(try RedisConfiguration(url: "redis+cluster://a:1,b:2").topology == .cluster)
        let sentinel = try RedisConfiguration(url: "rediss+sentinel://a,b/2?master=main")
        #expect(sentinel.topology == .sentinel(master: "main") && sentinel.tls != nil && sentinel.database == 2)
    }

    @Test(
        "a URL that cannot be used is refused with what was expected, and without its password",
        arguments: [
            ("localhost:6379", "no scheme"), ("http://h", "redis or rediss"), ("redis+ring://h", "cluster or sentinel"),
            ("redis://h:0", "from 1 to 65535"), ("redis://h:secret", "from 1 to 65535"),
            ("redis://h/secret", "the number"),
            ("redis://h/-1", "the number"), ("redis://secret@h", "user:password"), ("redis://:se%cret@h", "percent"),
            ("redis://:secret#@h", "#"), ("redis://:se/cret@h", "port"), ("redis://:secret@h?x=1", "connect_timeout"),
            ("redis://:secret@h?ca=/x", "rediss"), ("rediss://:secret@h?verify=no", "verify-full"),
            ("rediss://h?cert=/secret", "key"), ("redis://h?connections=0", "from 1"), ("redis://h?secret", "equals"),
            ("redis://h?connect_timeout=x", "seconds"), ("redis://h?connect_timeout=0", "more than nothing"),
            ("redis://h?client_name=a%20b", "name"), ("redis://a,,b", "empty host"), ("redis://[::1", "bracket"),
            ("redis://[::1]x", "port"), ("redis+sentinel://:secret@h", "master"), ("redis+cluster://h/1", "number 0"),
            ("redis://h?connections=1&connections=2", "twice"),
        ])
    func refused(url: String, part: String) {
        do throws(RedisError) {
            _ = try RedisConfiguration(url: url)
            Issue.record("it was taken")
        } catch {
            #expect(error.code == .configuration && error.message.contains(part), "\(error.message)")
            #expect(!error.debugDescription.contains("secret"))
        }
    }

    @Test("a configuration that cannot work fails the first use") func mistakes() async {
        for change: @Sendable (inout RedisConfiguration) -> Void in [
            { $0.hosts = [] }, { $0.hosts[0].port = 70_000 }, { $0.queueMax = 0 }, { $0.answerTimeout = .zero },
            { $0.outageGrace = .seconds(-1) }, { $0.limits.depthMax = 0 }, { $0.clientName = "a b" },
            { $0.database = -1 },
        ] {
            var configuration = RedisConfiguration(hosts: [.init("localhost", port: 1)])
            change(&configuration)
            let client = RedisClient(configuration, logger: TestServer.logger)
            await expectFailure(.configuration) { try await client.send(RedisCommand("PING")) }
            #expect(await client.send([RedisCommand("PING")]).count == 1)
            await expectFailure(.configuration) { try client.track(prefixes: []) }
        }
    }

    @Test("passwords come from a file or a program, and are never printed") func passwords() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "p\(UInt32.random(in: 0 ... .max))").path
        defer { try? FileManager.default.removeItem(atPath: file) }
        try Data("secret\r\nsecond\n".utf8).write(to: URL(filePath: file))
        #expect(try RedisPassword.file(file).read(timeout: .seconds(30)) == "secret")
        #expect(try RedisPassword.command(["head", "-n1", file]).read(timeout: .seconds(30)) == "secret")
        #expect(try RedisPassword.none.read(timeout: .zero) == nil)
        for password in [RedisPassword.fixed("secret"), .file("/secret"), .command(["secret"])] {
            #expect("\(password) \(String(reflecting: password))" == "<redacted> <redacted>")
        }
        let without: [RedisPassword] = [
            .file("/no/such/file"), .command([]), .command(["/no/such/program"]), .command(["false"]),
            .command(["true"]), .command(["sleep", "1000"]),
        ]
        for password in without {
            let error = #expect(throws: RedisError.self) { try password.read(timeout: .milliseconds(100)) }
            #expect(error?.code == .configuration && error?.message.hasPrefix("The Redis password ") == true)
        }
    }

    @Test("a command is encoded as the protocol wants it, whatever it holds") func encoding() {
        let command = RedisCommand(
            "SET", key: "ké\r\n", [.init([0, 255]), -10, 0, .runID, "", .init(Int.min), .runID])
        var expected = Array("*9\r\n$3\r\nSET\r\n$5\r\nké\r\n\r\n$2\r\n".utf8) + [0, 255]
        expected += Array("\r\n$3\r\n-10\r\n$1\r\n0\r\n$0\r\n\r\n$20\r\n-9223372036854775808\r\n".utf8)
        #expect(command.wire == expected)
        #expect(
            command.runIDOffsets == [
                expected.count - "$0\r\n\r\n$20\r\n-9223372036854775808\r\n".utf8.count, expected.count,
            ])
        #expect(command.key == "ké\r\n")
        #expect(RedisScript("return 1").sha == "e0e1f9fabfc9d4800c877a703b823ac0578ff8db")
    }
}
