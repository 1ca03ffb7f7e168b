// SPDX-License-Identifier: Apache-2.0
import SojournHTTP
import Testing

/// Ranges of addresses hold what they should, and no text that is none.
@Suite("Address ranges") struct AddressRangeTests {
    @Test(
        "a range holds its addresses",
        arguments: [
            ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("10.1.2.3/8", "10.9.9.9", true),
            ("192.0.2.7", "192.0.2.7", true), ("192.0.2.7", "192.0.2.8", false), ("0.0.0.0/0", "203.0.113.9", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true), ("::ffff:10.0.0.0/104", "10.9.9.9", true),
            ("2001:db8::/32", "2001:db8:ffff::1", true), ("2001:db8::/32", "2001:db9::", false),
            ("::1", "::1", true), ("::/0", "2001:db8::1", true), ("::/0", "10.0.0.1", false),
            ("0.0.0.0/0", "::1", false), ("10.0.0.0/8", "nonsense", false), ("10.0.0.0/8", "", false),
        ])
    func contains(range: String, address: String, isInside: Bool) throws {
        let range = try #require(AddressRange(range))
        #expect(range.contains(address) == isInside)
    }

    @Test(
        "what is no range is refused",
        arguments: [
            "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8", "10.0.0/8", "::/129", "host", "1",
            "10.0.0.0/٨", "10.0.0.0 /8", "fe80::1%eth0",
        ])
    func refused(text: String) {
        #expect(AddressRange(text) == nil)
    }
}
