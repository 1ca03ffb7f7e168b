// SPDX-License-Identifier: Apache-2.0

internal import Crypto

/// Writes a command as RESP wants it: an array of byte strings, each with its length before it.
///
/// The size is reckoned first, so that all is written into one array without growing it: this runs once for every
/// command of every caller.
struct CommandEncoder {
    private let beginning: [RedisArgument]
    private let keys: [String]
    private let arguments: [RedisArgument]

    /// The encoder of all three, one after the other.
    init(_ beginning: [RedisArgument], _ keys: [String], _ arguments: [RedisArgument]) {
        self.beginning = beginning
        self.keys = keys
        self.arguments = arguments
    }

    /// The bytes, and where in them the run id is to be put.
    func encode() -> (wire: [UInt8], runIDOffsets: [Int]) {
        var runIDOffsets: [Int] = []
        let wire = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            var writer = Writer(buffer: buffer)
            writer.header("*", beginning.count + keys.count + arguments.count)
            for argument in beginning { writer.write(argument, &runIDOffsets) }
            for key in keys { writer.write(key) }
            for argument in arguments { writer.write(argument, &runIDOffsets) }
            count = writer.count
        }
        return (wire, runIDOffsets)
    }

    /// At least as many bytes as will be written.
    private var capacity: Int {
        var total = Writer.headerMax
        for argument in beginning { total += Writer.most(argument) }
        for key in keys { total += Writer.most(key.utf8.count) }
        for argument in arguments { total += Writer.most(argument) }
        return total
    }
}

/// Writes into memory that is known to be large enough.
private struct Writer {
    /// Most bytes of a type's sign, a number and the end of the line.
    static let headerMax = 1 + 20 + 2

    let buffer: UnsafeMutableBufferPointer<UInt8>
    var count = 0

    /// Most bytes of a string with `length` bytes.
    static func most(_ length: Int) -> Int { headerMax + length + 2 }

    /// Most bytes of `argument`.
    static func most(_ argument: RedisArgument) -> Int {
        switch argument.content {
        case .text(let text): most(text.utf8.count)
        case .integer: most(20)
        case .bytes(let bytes): most(bytes.count)
        case .runID: 0
        }
    }

    mutating func header(_ sign: Unicode.Scalar, _ number: Int) {
        byte(UInt8(ascii: sign))
        digits(number)
        endLine()
    }

    mutating func write(_ argument: RedisArgument, _ runIDOffsets: inout [Int]) {
        switch argument.content {
        case .text(let text): write(text)
        case .integer(let number): write(number)
        case .bytes(let bytes):
            header("$", bytes.count)
            append(bytes)
            endLine()
        case .runID: runIDOffsets.append(count)
        }
    }

    mutating func write(_ text: String) {
        header("$", text.utf8.count)
        append(text.utf8)
        endLine()
    }

    private mutating func write(_ number: Int) {
        var length = number < 0 ? 2 : 1
        var rest = number / 10
        while rest != 0 {
            length += 1
            rest /= 10
        }
        header("$", length)
        digits(number)
        endLine()
    }

    private mutating func append(_ bytes: some Collection<UInt8>) {
        let rest = UnsafeMutableBufferPointer(rebasing: buffer[count...])
        count += rest.update(fromContentsOf: bytes)
    }

    private mutating func digits(_ number: Int) {
        if number < 0 { byte(UInt8(ascii: "-")) }
        let start = count
        var rest = number.magnitude
        repeat {
            byte(UInt8(ascii: "0") + UInt8(rest % 10))
            rest /= 10
        } while rest != 0
        buffer[start..<count].reverse()
    }

    private mutating func byte(_ byte: UInt8) {
        buffer[count] = byte
        count += 1
    }

    private mutating func endLine() {
        byte(UInt8(ascii: "\r"))
        byte(UInt8(ascii: "\n"))
    }
}

/// SHA-1 as Redis names scripts by it. It protects nothing.
enum SHA1 {
    /// The digest of `text` in lower-case hexadecimal digits.
    static func hexadecimal(of text: String) -> String {
        let digits = Array("0123456789abcdef".utf8)
        let bytes = Insecure.SHA1.hash(data: Array(text.utf8))
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
