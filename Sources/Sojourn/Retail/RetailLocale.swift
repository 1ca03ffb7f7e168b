// SPDX-License-Identifier: Apache-2.0

/// The language of what is derived of a user (`RETAIL_LOCALE`).
public enum RetailLocale: String, Sendable, Hashable, CaseIterable {
    /// Korean: `20대`.
    case ko
    /// English: `20s`.
    case en

    /// The age group of an age: its decade, one group below 10 and one from 100 up.
    public func ageGroup(of age: Int) -> String {
        switch (self, age) {
        case (.ko, ..<10): "10세 미만"
        case (.ko, 100...): "100세 이상"
        case (.ko, _): "\(age / 10 * 10)대"
        case (.en, ..<10): "under 10"
        case (.en, 100...): "100 and over"
        case (.en, _): "\(age / 10 * 10)s"
        }
    }
}

/// Where a user lives, as coarsely as reports need it. The address itself is not kept.
public enum Region {
    /// The longest region, in characters (Unicode scalars); longer ones are cut.
    public static let lengthMax = 50
    /// The longest address, in characters.
    public static let addressMax = 500

    /// The first administrative unit of an address; nil where none can be told.
    ///
    /// - With Hangul it comes first: the first word that holds Hangul and is not the country, as it is written
    ///   (`서울특별시 강남구 …` and `06236 서울특별시 …` are `서울특별시`; `서울 강남구 …` stays `서울`).
    /// - Else it comes last: of the parts between commas the last that is not the country, without the words that hold a
    ///   digit, such as postal codes (`1 Main St, Springfield, IL 62701, USA` is `IL`, `Gangnam-gu, Seoul 06236` is
    ///   `Seoul`). One part with a number in it is a street, and names no region.
    public static func of(address: String) -> String? {
        let words = address.split(whereSeparator: \.isWhitespace)
        if address.unicodeScalars.contains(where: isHangul) {
            let units = words.map { $0.filter { $0.isLetter || $0.isNumber } }.filter { unit in
                unit.unicodeScalars.contains(where: isHangul) && !countries.contains(unit.lowercased())
            }
            return units.first.map(cut)
        }
        let parts = address.split(separator: ",")
        guard parts.count > 1 || !address.contains(where: \.isNumber) else { return nil }
        for part in parts.reversed() {
            let name = part.split(whereSeparator: \.isWhitespace).filter { !$0.contains(where: \.isNumber) }
                .joined(separator: " ")
            if !name.isEmpty, !countries.contains(name.lowercased()) { return cut(name) }
        }
        return nil
    }

    private static func cut(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.prefix(lengthMax)))
    }

    private static func isHangul(_ scalar: Unicode.Scalar) -> Bool {
        (0xAC00...0xD7A3).contains(scalar.value) || (0x1100...0x11FF).contains(scalar.value)
    }

    private static let countries: Set<String> = [
        "대한민국", "한국", "south korea", "korea", "republic of korea", "usa", "us", "united states",
        "united states of america", "uk", "united kingdom",
    ]
}
