// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import SojournServer

/// A URL means what it means to libpq, and one that is no URL is refused without showing what may be a password.
@Suite("PostgreSQL URLs") struct PostgresURLTests {
    /// A URL, and what it says: user, password, database, and the URL for people.
    struct Example: Sendable, CustomTestStringConvertible {
        /// The URL.
        var text: String
        /// Its user, password and database.
        var user, password, database: String?
        /// How it is shown.
        var shown: String
        /// The text alone.
        var testDescription: String { text }

        /// A URL and what it says.
        init(_ text: String, _ user: String?, _ password: String?, _ database: String?, _ shown: String) {
            (self.text, self.user, self.password, self.database) = (text, user, password, database)
            self.shown = "postgresql://" + shown
        }
    }

    @Test(
        "every part is found",
        arguments: [
            Example("postgres://u:p@h:1/d", "u", "p", "d", "u@h:1/d"),
            Example("postgresql://u@h", "u", nil, nil, "u@h:5432"),
            Example("PostgreSQL+asyncpg://u:p@h/d", "u", "p", "d", "u@h:5432/d"),
            Example("postgresql+psycopg2://h/d", nil, nil, "d", "h:5432/d"),
            Example("postgres://u:@h/", "u", nil, nil, "u@h:5432"),
            Example("postgres://:p@h/d", nil, "p", "d", "h:5432/d"),
            Example("postgres://u:a:b?c#d@h/d", "u", "a:b?c#d", "d", "u@h:5432/d"),
            Example("postgres://u%40x:%40%3A%2F%25@h/a%2Fb", "u@x", "@:/%", "a/b", "u%40x@h:5432/a%2Fb"),
            Example("postgres://u:p+q@h/d?application_name=a+b", "u", "p+q", "d", "u@h:5432/d"),
            Example("postgres://%ED%95%9C:%C3%A9@h/d", "한", "é", "d", "%ED%95%9C@h:5432/d"),
            Example("postgres://u@h1,h2:2,h3/d", "u", nil, "d", "u@h1:5432,h2:2,h3:5432/d"),
            Example("postgres://u@[::1]:1/d", "u", nil, "d", "u@[::1]:1/d"),
            Example("postgres://u@[2001:db8::1],h:2/d", "u", nil, "d", "u@[2001:db8::1]:5432,h:2/d"),
            Example("postgres://u@[fe80::1%25eth0]/d", "u", nil, "d", "u@[fe80::1%25eth0]:5432/d"),
            Example("postgres:///d?user=u", "u", nil, "d", "u@%2Fvar%2Frun%2Fpostgresql:5432/d"),
            Example("postgres://u@/d?host=/tmp/a", "u", nil, "d", "u@%2Ftmp%2Fa:5432/d"),
            Example("postgres://u@%2Ftmp%2Fa:1/d", "u", nil, "d", "u@%2Ftmp%2Fa:1/d"),
            Example("postgres://u:p@h/d?host=a,b&port=1,2", "u", "p", "d", "u@a:1,b:2/d"),
            Example("postgres://u@/d?host=a,b&port=7", "u", nil, "d", "u@a:7,b:7/d"),
            Example("postgres://u@h:1/d?host=a,b", "u", nil, "d", "u@a:1,b:1/d"),
            Example("postgres://u:p@h/d?password=q&dbname=e&user=v", "v", "q", "e", "v@h:5432/e"),
            Example("postgres://u@h?connect_timeout=3", "u", nil, nil, "u@h:5432"),
        ]) func parts(example: Example) throws
    {
        let url = try PostgresURL(example.text)
        #expect(url.user == example.user)
        #expect(url.password?.text == example.password)
        #expect(url.database == example.database)
        #expect(url.description == example.shown)
        // What is shown can be pasted: it says the same, without the password.
        let again = try PostgresURL(url.description)
        #expect(again.hosts == url.hosts && again.user == url.user && again.database == url.database)
    }

    @Test("parameters are kept by libpq's keywords") func parameters() throws {
        let url = try PostgresURL(
            "postgres://u@h/d?connect_timeout=10&target_session_attrs=read-write&application_name=a%20b"
                + "&sslmode=verify-full&sslrootcert=\(#filePath)&options=-c%20geqo%3Doff")
        #expect(url.tlsMode == .verifyFull)
        #expect(url.caFile == #filePath)
        #expect(
            url.parameters == [
                "connect_timeout": "10", "target_session_attrs": "read-write", "application_name": "a b",
                "options": "-c geqo=off",
            ])
    }

    @Test(
        "the ways to ask for TLS",
        arguments: [
            ("", nil), ("?sslmode=disable", .disable), ("?sslmode=verify-ca", .verifyCA), ("?ssl=true", .require),
            ("?ssl=verify-full", .verifyFull), ("?sslmode=prefer&sslmode=require", .require),
        ] as [(String, PostgresSettings.TLSMode?)]) func tlsModes(query: String, mode: PostgresSettings.TLSMode?) throws
    {
        #expect(try PostgresURL("postgres://u@h/d" + query).tlsMode == mode)
    }

    @Test("the system's authorities are for a verified name") func systemAuthorities() throws {
        // Where Debian's file is missing, the parameter is refused for that.
        guard let url = try? PostgresURL("postgres://u@h/d?sslrootcert=system") else { return }
        #expect(url.tlsMode == .verifyFull)
        #expect(url.caFile == "/etc/ssl/certs/ca-certificates.crt")
        #expect(throws: PostgresURL.Flaw(expected: "sslmode=verify-full beside sslrootcert=system")) {
            try PostgresURL("postgres://u@h/d?sslmode=require&sslrootcert=system")
        }
    }

    @Test(
        "what is wrong is told, and what may be a password is not",
        arguments: [
            ("mysql://u@h/d", "a URL as in postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
            ("postgres:u@h/d", "a URL as in postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
            ("postgresql+a-b://u@h/d", "a URL as in postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
            ("postgres://u:hush@hush@h/d", "a password whose @, / and % are written %40, %2F and %25"),
            ("postgres://u:hush/hush@h/d", "a password whose @, / and % are written %40, %2F and %25"),
            ("postgres://u:1/hush?hush=hush@h/d", "a password whose @, / and % are written %40, %2F and %25"),
            (
                "postgres://u:hush/hush",
                "a port from 1 to 65535 behind the host's colon; in a password / is written %2F"
            ),
            ("postgres://u:%zz@h/d", "two hexadecimal digits behind each % in the password; % itself is %25"),
            ("postgres://u:hush%@h/d", "two hexadecimal digits behind each % in the password; % itself is %25"),
            ("postgres://u:hush%00@h/d", "two hexadecimal digits behind each % in the password; % itself is %25"),
            ("postgres://%FF@h/d", "UTF-8 in the user"),
            ("postgres://u@h:0/d", "a port from 1 to 65535 behind the host's colon; in a password / is written %2F"),
            (
                "postgres://u@h:99999/d",
                "a port from 1 to 65535 behind the host's colon; in a password / is written %2F"
            ),
            ("postgres://u@[::1/d", "an IPv6 address between brackets, as in [2001:db8::1]:5432"),
            ("postgres://u@[::1]5/d", "nothing but a port after an IPv6 address, as in [2001:db8::1]:5432"),
            ("postgres://u@[]/d", "an IPv6 address between brackets, as in [2001:db8::1]:5432"),
            ("postgres://u@a,,b/d", "a host's name or address, as in postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
            ("postgres://u@a b/d", "a host's name or address, as in postgresql://USER:PASSWORD@HOST:PORT/DATABASE"),
            ("postgres://u@a,b,c/d?port=1,2", "one port, or as many as hosts"),
            ("postgres://u@h/d?sslmode=allow", "one of disable, prefer, require, verify-ca, verify-full as sslmode"),
            ("postgres://u@h/d?connect_timeout=x", "a whole number from 0 to 86400 as connect_timeout"),
            (
                "postgres://u@h/d?target_session_attrs=master",
                "one of any, read-write, read-only, primary, standby, prefer-standby as target_session_attrs"
            ),
            ("postgres://u@h/d?sslcert=/nowhere", "the path of a file that can be read as sslcert"),
            ("postgres://u@h/d?connect_timeout", "parameters as in ?name=value"),
            ("postgres://u@h/d?hush-hush=1", "parameters as in ?name=value"),
        ]) func flaws(text: String, expected: String)
    {
        #expect(throws: PostgresURL.Flaw(expected: expected)) { try PostgresURL(text) }
        #expect(!expected.contains("hush"))
    }

    @Test(
        "an unknown parameter is named, with those that are known",
        arguments: ["pgbouncer", "sslpassword", "hostaddr", "client_encoding", "schema"])
    func unknownParameter(name: String) throws {
        let flaw = try #require(throws: PostgresURL.Flaw.self) { try PostgresURL("postgres://u@h/d?\(name)=hush") }
        #expect(flaw.expected.hasPrefix("no parameter \(name), only application_name, channel_binding, "))
        #expect(flaw.expected.contains("sslmode, sslrootcert"))
        #expect(!flaw.expected.contains("hush"))
    }
}
