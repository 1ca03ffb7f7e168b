// SPDX-License-Identifier: Apache-2.0
import Testing

/// The scanner behind the tidy rules finds what it must find, and is not misled by text that looks like code.
@Suite("Scanner") struct SwiftScannerTests {
    @Test("a function of 71 lines is seen as such") func longFunction() {
        let body = repeatElement("    work()", count: 69).joined(separator: "\n")
        let scanner = SwiftScanner(
            "struct S {\nfunc long<T>(\n_ t: T) async throws -> [T] where T: P {\n\(body)\n}\n}\n")
        #expect(scanner.functions == [.init(name: "func long<T>", line: 2, lines: 72)])
    }

    @Test(
        "every kind of declaration is measured",
        arguments: [
            ("init(a: Int = { 1 }()) {\n}", "init"), ("init?() throws {\n}", "init?"), ("deinit {\n}", "deinit"),
            ("subscript(i: Int) -> Int {\n1 }", "subscript"),
            ("static func == (a: A, b: A) -> Bool {\ntrue }", "func =="),
        ])
    func kinds(source: String, name: String) {
        #expect(SwiftScanner(source).functions == [.init(name: name, line: 1, lines: 2)])
    }

    @Test(
        "requirements of a protocol and calls have no body",
        arguments: [
            "protocol P {\n    func a() -> Int\n    init(b: Int)\n    func c()\n}\nstruct S {\n}",
            "let s = S.init(a: 1)\nif x {\n}", "// func a() {\n// }", "/* func a() { /* } */ */",
            "let s = \"func a() { \\(b(\"}\")) {\"", "let s = #\"func \"a\"() {\"#",
            "let s = \"\"\"\n  func a() {\n  }\n  \"\"\"",
        ])
    func noFunction(source: String) {
        #expect(SwiftScanner(source).functions.isEmpty)
    }

    @Test("a brace in a string or a comment does not end a function") func bracesInText() {
        let source = "func a() {\n// }\nprint(\"}\", \"\\(f { \"}\" })\", #\"\\}\"#)\n/* } */\n}\n"
        #expect(SwiftScanner(source).functions == [.init(name: "func a", line: 1, lines: 5)])
    }

    @Test("a function within a function counts for both") func nested() {
        let functions = SwiftScanner("func a() {\n    func b() {\n    }\n}\n").functions
        #expect(functions.map(\.lines) == [4, 2])
    }

    @Test(
        "every form of import is read, and no other line",
        arguments: [
            ("import A", ["A"]), ("internal import A", ["A"]), ("public import struct A.B", ["A"]),
            ("@testable import A", ["A"]), ("@preconcurrency public import A.B", ["A"]), ("// import A", []),
            ("let a = \"\"\"\nimport A\n\"\"\"", []), ("#if canImport(B)\nimport B\n#endif", ["B"]),
            ("let important = 1", []),
        ])
    func imports(source: String, modules: [String]) {
        #expect(SwiftScanner(source).imports == modules)
    }
}
