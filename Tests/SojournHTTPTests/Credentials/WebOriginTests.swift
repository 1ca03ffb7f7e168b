// SPDX-License-Identifier: Apache-2.0
import SojournHTTP
import Testing

/// Origins are compared as browsers spell them, and nothing but an origin is taken for one.
@Suite("Web origins") struct OriginTests {
    @Test(
        "an origin reads as browsers send it",
        arguments: [
            ("https://Example.com/", "https://example.com"), ("https://a.example:443", "https://a.example"),
            ("http://a.example:80", "http://a.example"), ("http://a.example:443", "http://a.example:443"),
            ("HTTP://localhost:3000", "http://localhost:3000"), ("http://[::1]:8080", "http://[::1]:8080"),
        ])
    func reads(text: String, origin: String) {
        #expect(WebOrigin(text)?.description == origin)
    }

    @Test(
        "what is no origin is refused",
        arguments: [
            "", "*", "null", "example.com", "ftp://a", "https://", "https://a/path", "https://a?q", "https://a#f",
            "https://u:p@a", "https://a:0", "https://a:65536", "https://a b",
        ])
    func refused(text: String) {
        #expect(WebOrigin(text) == nil)
    }
}
