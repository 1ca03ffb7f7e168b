// SPDX-License-Identifier: Apache-2.0
import Testing

/// The rules that hold for every file of the repository. A failure names the file, and the line where there is one.
@Suite("Tidy") struct TidyTests {
    /// Every source file, read once per test.
    let files: [SourceFile]

    /// Reads the repository.
    init() throws {
        files = try SourceFile.all()
    }

    @Test("the repository was found") func findsItself() {
        #expect(files.contains { $0.path == "Package.swift" })
        #expect(files.contains { $0.path == "Tests/TidyTests/TidyTests.swift" })
        #expect(files.contains { $0.path == "script/test" })
    }

    @Test("imports follow the table of the house") func importsPointDown() {
        for file in files.filter(\.isSwift) {
            guard let module = file.module else { continue }
            guard let allowed = house[module] else {
                Issue.record("\(file.path): the module \(module) has no row in House.swift")
                continue
            }
            for name in SwiftScanner(file.text).imports
            where !everywhere.contains(name) && !allowed.ours.contains(name) && !allowed.outside.contains(name) {
                Issue.record("\(file.path): \(module) may not import \(name)")
            }
        }
    }

    @Test("the table of the house has no cycle and no unknown module") func tableIsLayered() {
        var placed: Set<String> = []
        while let next = house.first(where: { !placed.contains($0.key) && $0.value.ours.isSubset(of: placed) }) {
            placed.insert(next.key)
        }
        #expect(placed == Set(house.keys))
    }

    @Test("a file has at most 400 lines") func filesAreShort() {
        for file in files where file.lines.count > 400 {
            Issue.record("\(file.path): \(file.lines.count) lines")
        }
    }

    @Test("a function has at most 70 lines") func functionsAreShort() {
        for file in files.filter(\.isSwift) {
            for function in SwiftScanner(file.text).functions where function.lines > 70 {
                Issue.record("\(file.path):\(function.line): \(function.name) has \(function.lines) lines")
            }
        }
    }

    @Test("a file opens with its licence") func licenceIsNamed() {
        for file in files {
            let opening = file.lines.prefix(2).contains { $0.hasSuffix("SPDX-License-Identifier: Apache-2.0") }
            #expect(opening, "\(file.path): no SPDX line among the first two")
        }
    }

    @Test("no folder is named by history or kind") func foldersAreNamedByFeature() {
        let banned: Set<Substring> = ["Utils", "Util", "Helpers", "Models", "Common", "New", "Old", "Misc", "Legacy"]
        for file in files {
            #expect(banned.isDisjoint(with: file.components.dropLast()), "\(file.path)")
        }
    }

    /// `!` and `try!` are refused by the formatter, which knows the syntax; what is left to hold here is that whoever
    /// turns a rule of it off for a line says why on the line before.
    @Test("a formatter rule is only turned off with a reason") func ignoresAreExplained() {
        for file in files.filter(\.isSwift) {
            for (number, line) in file.lines.enumerated() where line.trimmed.hasPrefix(ignore) {
                let reason = number > 0 ? file.lines[number - 1].trimmed : ""
                let isReason = reason.hasPrefix("//") && !reason.hasPrefix("///") && !reason.hasPrefix(ignore)
                #expect(isReason, "\(file.path):\(number + 1): no comment above says why")
            }
        }
    }

    /// The comment that turns rules of the formatter off.
    private var ignore: String { "// swift-format-ignore" }
}

extension Substring {
    /// The line without the blanks before it.
    fileprivate var trimmed: Substring { drop { $0 == " " || $0 == "\t" } }
}
