// SPDX-License-Identifier: Apache-2.0

import Foundation
import Sojourn
import SojournServer
import Testing

@Suite("A catalogue in a CSV file")
struct CatalogueFileTests {
    @Test("Rows are read with quotes, Korean names, empty categories and foreign columns")
    func reads() throws {
        let text = "id,name,category,note\r\n1,Kimchi,vegetable,x\r\n2,\"Tofu, \"\"soft\"\"\",,\r\n3, 두부 ,콩,\r\n"
        #expect(
            try CatalogueFile(text: text).items == [
                Item(id: 1, name: "Kimchi", category: "vegetable"), Item(id: 2, name: "Tofu, \"soft\"", category: nil),
                Item(id: 3, name: "두부", category: "콩"),
            ])
    }

    @Test("A column of categories is not needed")
    func withoutCategory() throws {
        #expect(try CatalogueFile(text: "name,id\nKimchi,1\n").items == [Item(id: 1, name: "Kimchi", category: nil)])
    }

    @Test(
        "A bad row is named and nothing is read",
        arguments: [
            ("id,name\n1,a\nx,b\n", "row 3: id"), ("id,name\n0,a\n", "row 2: id"),
            ("id,name\n9007199254740992,a\n", "row 2: id"), ("id,name\n1,\n", "row 2: name"),
            ("id,name,category\n1,a,\(String(repeating: "c", count: 101))\n", "row 2: category"),
            ("id,name\n1,a\u{1}b\n", "row 2: name"), ("id,name,category\n1,a,\u{7F}\n", "row 2: category"),
            ("id,name\n1,\"a\n2,b\n", "quotation mark"), ("id,title\n1,a\n", "id, name and category"),
            ("", "id, name and category"),
        ])
    func refuses(text: String, saying: String) {
        do {
            _ = try CatalogueFile(text: text)
            Issue.record("the text was taken")
        } catch {
            #expect((error as? SojournError)?.code == .invalidInput)
            #expect("\(error)".contains(saying), "\(error)")
        }
    }

    @Test("A file that is not there, or not UTF-8, is named")
    func files() throws {
        #expect(throws: SojournError.self) { try CatalogueFile(path: "/nowhere/items.csv") }
        let path = NSTemporaryDirectory() + "catalogue-\(UUID().uuidString).csv"
        defer { try? FileManager.default.removeItem(atPath: path) }
        try Data([0x69, 0x64, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: path))
        #expect(throws: SojournError.self) { try CatalogueFile(path: path) }
    }
}
