// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import PostgresDriver

/// What a URL says, and what it must not let out.
@Suite("Configuration") struct ConfigurationTests {
    @Test("a plain URL") func plain() throws {
        let configuration = try PostgresConfiguration(url: "postgres://ann:s%40crt@db.example:5433/shop")
        #expect(configuration.hosts == [.init("db.example", port: 5433)])
        #expect(configuration.database == "shop")
        #expect(configuration.user == "ann")
        guard case .fixed("s@crt") = configuration.password else {
            Issue.record("another password")
            return
        }
        #expect(!configuration.targetsPrimary)
        #expect(!"\(configuration)".contains("s@crt"))
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!dumped.contains("s@crt"))
    }

    @Test("several hosts ask for the primary, unless told otherwise") func severalHosts() throws {
        let configuration = try PostgresConfiguration(url: "postgresql://a:1,b,[::1]:3/d")
        #expect(configuration.hosts == [.init("a", port: 1), .init("b"), .init("::1", port: 3)])
        #expect(configuration.targetsPrimary)
        #expect(configuration.user == "postgres")
        let any = try PostgresConfiguration(url: "postgresql://a,b/d?target_session_attrs=any")
        #expect(!any.targetsPrimary)
    }

    @Test("words instead of a URL, and a Unix socket") func words() throws {
        let configuration = try PostgresConfiguration(url: "host=/var/run/postgresql user=u password='a b'")
        #expect(configuration.hosts == [.init("/var/run/postgresql")])
        #expect(configuration.database == "u")
        let socket = try PostgresConfiguration(url: "postgresql:///d?host=/tmp/x&port=7")
        #expect(socket.hosts == [.init("/tmp/x", port: 7)])
    }

    @Test("encryption, timeouts and what is handed on") func parameters() throws {
        let configuration = try PostgresConfiguration(
            url:
                "postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem&connect_timeout=3&application_name=x&sslcert=/c"
        )
        #expect(configuration.tls == PostgresTLS(mode: .verifyFull, caFile: "/ca.pem"))
        #expect(configuration.connectTimeout == .seconds(3))
        #expect(configuration.applicationName == "x")
        #expect(configuration.passedOn == ["sslcert": "/c"])
        #expect(try PostgresConfiguration(url: "postgres://h/d?sslmode=allow").tls.mode == .prefer)
        #expect(try PostgresConfiguration(url: "postgres://h/d?sslrootcert=system").tls.caFile == nil)
    }

    @Test(
        "a mistake is named, the password never",
        arguments: [
            ("postgres://u:hunter2@h/d?pgbouncer=true", "pgbouncer"),
            ("postgres://u:hunter2@h/d?replication=database", "replication"),
            ("postgres://u:hunter2@h/d?sslmode=maybe", "sslmode"),
            ("postgres://u:hunter2@h:99999/d", "port"), ("postgres://u:hunter2@h:x/d", "port"),
            ("postgres://u:hunter2@h/d?target_session_attrs=standby", "target_session_attrs"),
            ("postgres://u:hunter2@h/d?connect_timeout=soon", "connect_timeout"),
            ("postgres://u:hunter2%@h/d", "percent"), ("postgres://u:hunter2@[::1/d", "IPv6"),
            ("postgres://u:hunter2@[::1]x/d", "unexpected"), ("postgres://u:hunter2@h/d?a", "equals"),
            ("hunter2", "neither"), ("host=a,b,c port=1,2 password=hunter2", "ports"),
            ("host=h password=hunter2 x=1", "x"),
            ("postgres://u:hunter2@h/\0", "NUL"),
        ])
    func mistakes(url: String, word: String) async {
        let error = await expectFailure(.configuration) { try PostgresConfiguration(url: url) }
        #expect(error?.debugDescription.contains(word) == true, "\(error?.message ?? "")")
        #expect(error?.debugDescription.contains("hunter2") == false)
    }

    @Test(
        "a pooler is seen in the address",
        arguments: [
            ("postgres://h:6543/d", true), ("postgres://h/d", false),
            ("postgres://aws-0-eu.pooler.supabase.com:6543/d", true),
            ("postgres://aws-0-eu.pooler.supabase.com/d", false),
        ])
    func looksPooled(url: String, isPooled: Bool) throws {
        #expect(try PostgresConfiguration(url: url).looksPooled == isPooled)
    }

    @Test("a password from a file is its first line, and from a command what it writes first") func passwords() throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "password-\(UInt64.random(in: 0 ... .max))")
            .path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data("first\r\nsecond\n".utf8).write(to: URL(filePath: path))
        #expect(try PostgresPassword.file(path).read(timeout: .seconds(5)) == "first")
        #expect(try PostgresPassword.command(["head", "-c", "5", path]).read(timeout: .seconds(5)) == "first")
        #expect(try PostgresPassword.command(["sh", "-c", "echo a b; echo c"]).read(timeout: .seconds(5)) == "a b")
        #expect(try PostgresPassword.command(["sh", "-c", "echo a > /dev/stdout"]).read(timeout: .seconds(5)) == "a")
    }

    @Test(
        "a password that cannot be had is a mistake without secrets",
        arguments: [
            PostgresPassword.file("/nowhere/hunter2"), .command([]), .command(["/nowhere/hunter2"]),
            .command(["sh", "-c", "echo hunter2; exit 3"]), .command(["true"]), .command(["sleep", "60"]),
        ])
    func noPassword(password: PostgresPassword) async {
        let error = await expectFailure(.configuration) { try password.read(timeout: .milliseconds(300)) }
        #expect(error?.message.hasPrefix("The database's password ") == true)
        #expect(error?.debugDescription.contains("hunter2") == false)
    }
}
