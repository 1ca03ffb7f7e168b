// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import Testing

@testable import RedisDriver

/// What the decoder makes of bytes. None of them may make it trap, or keep more than its limits allow.
@Suite("Redis: frames") struct RedisFrameTests {
    typealias Frame = FrameDecoder.Frame

    /// One frame of each type, and what it means.
    static let examples: [(String, Frame)] = [
        ("+OK\r\n", .reply(.text("OK"))), ("+\r\n", .reply(.text(""))),
        ("-ERR no such thing\r\n", .reply(.error(RedisErrorReply("ERR no such thing")))),
        (":0\r\n", .reply(.integer(0))), (":+7\r\n", .reply(.integer(7))),
        (":-9223372036854775808\r\n", .reply(.integer(.min))), (":9223372036854775807\r\n", .reply(.integer(.max))),
        ("$0\r\n\r\n", .reply(.bytes([]))), ("$2\r\n\r\n\r\n", .reply(.bytes([13, 10]))),
        ("$-1\r\n", .reply(.null)), ("*-1\r\n", .reply(.null)), ("_\r\n", .reply(.null)),
        ("#t\r\n", .reply(.boolean(true))), ("#f\r\n", .reply(.boolean(false))),
        (",1.5\r\n", .reply(.double(1.5))), (",-inf\r\n", .reply(.double(-.infinity))),
        ("(-123456789012345678901234567890\r\n", .reply(.bigNumber("-123456789012345678901234567890"))),
        ("!8\r\nERR a\r\nb\r\n", .reply(.error(RedisErrorReply("ERR a\r\nb")))),
        ("=8\r\ntxt:text\r\n", .reply(.bytes(Array("text".utf8)))),
        ("*0\r\n", .reply(.array([]))), ("*1\r\n*0\r\n", .reply(.array([.array([])]))),
        (
            "*3\r\n:1\r\n*1\r\n$1\r\na\r\n-E\r\n",
            .reply(.array([.integer(1), .array([.bytes([97])]), .error(RedisErrorReply("E"))]))
        ),
        ("~2\r\n:1\r\n:2\r\n", .reply(.set([.integer(1), .integer(2)]))),
        ("%1\r\n+a\r\n%0\r\n", .reply(.map([.init(key: .text("a"), value: .map([]))]))),
        (">2\r\n+a\r\n_\r\n", .push([.text("a"), .null])),
        ("|1\r\n+ttl\r\n:3\r\n:5\r\n", .reply(.integer(5))),
        ("*2\r\n|1\r\n+a\r\n*0\r\n:5\r\n|0\r\n:6\r\n", .reply(.array([.integer(5), .integer(6)]))),
    ]

    /// What breaks a rule or, in these tests, a limit.
    static let violations = [
        "x\r\n", "\r\n", "+a\rb\r\n", ":\r\n", ":-\r\n", ":1x\r\n", ":9223372036854775808\r\n",
        ":-9223372036854775809\r\n", ":99999999999999999999999\r\n", "$-2\r\n", "$?\r\n", "$1\r\nab\r\n", "$1\r\na\rx",
        "$1025\r\n", "$99999999999999999999\r\n", "=3\r\ntxt\r\n", "=5\r\ntxt-a\r\n", "=-1\r\n", "!-1\r\n", "~-1\r\n",
        "%-1\r\n", ">-1\r\n", "|-1\r\n", "*-2\r\n", "*?\r\n", "*101\r\n", "%101\r\n", "*4611686018427387905\r\n",
        "%9223372036854775807\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "*1\r\n>1\r\n:1\r\n", "#x\r\n", "#\r\n", "_x\r\n",
        ",x\r\n", ",\r\n", "(\r\n", "(1x\r\n", "(-\r\n", ";4\r\n", ".\r\n",
    ]

    /// Limits that frames of a test can reach.
    static var limits: RedisLimits {
        var limits = RedisLimits()
        limits.bulkBytesMax = 1024
        limits.elementsMax = 100
        limits.depthMax = 4
        limits.answerBytesMax = 4096
        return limits
    }

    /// All frames in `pieces`, which arrive one after the other.
    private func frames(_ pieces: [[UInt8]], limits: RedisLimits = limits) throws -> [Frame] {
        var decoder = FrameDecoder(limits: limits)
        var buffer = ByteBuffer()
        var frames: [Frame] = []
        for piece in pieces {
            buffer.writeBytes(piece)
            while let frame = try decoder.next(in: &buffer) { frames.append(frame) }
        }
        return frames
    }

    @Test("each type means what the specification says", arguments: examples)
    func types(text: String, frame: Frame) throws {
        #expect(try frames([Array(text.utf8)]) == [frame])
    }

    @Test("frames mean the same wherever they are cut") func cuts() throws {
        let all = Array(Self.examples.map(\.0).joined().utf8)
        let expected = Self.examples.map(\.1)
        #expect(try frames(all.map { [$0] }) == expected)
        for cut in 0..<all.count {
            #expect(try frames([Array(all[..<cut]), Array(all[cut...])]) == expected)
        }
    }

    @Test("what breaks a rule or a limit is refused, also byte by byte", arguments: violations)
    func broken(text: String) throws {
        for pieces in [[Array(text.utf8)], text.utf8.map { [$0] }] {
            do {
                let found = try frames(pieces)
                Issue.record("it was taken for \(found)")
            } catch let error as RedisError {
                #expect(error.code == .protocolViolation)
            }
        }
    }

    @Test("a line without an end, and an answer of many small parts, run into a limit") func endless() throws {
        let line = [UInt8](repeating: UInt8(ascii: "+"), count: FrameDecoder.lineBytesMax + 2)
        #expect(throws: RedisError.self) { try frames([line]) }
        let long = "*5\r\n" + String(repeating: "$1000\r\n\(String(repeating: "a", count: 1000))\r\n", count: 5)
        #expect(throws: RedisError.self) { try frames([Array(long.utf8)]) }
        let remarks = String(repeating: "|1\r\n+a\r\n+b\r\n", count: 100)
        #expect(throws: RedisError.self) { try frames([Array(remarks.utf8)]) }
        // Each answer counts anew.
        #expect(try frames([Array(String(repeating: "*1\r\n:1\r\n", count: 1000).utf8)]).count == 1000)
    }

    @Test("a large answer in small pieces is read as it comes") func large() throws {
        let count = 200_000
        let bytes = Array("*\(count)\r\n".utf8) + (0..<count).flatMap { Array(":\($0)\r\n".utf8) }
        let pieces = stride(from: 0, to: bytes.count, by: 100).map { Array(bytes[$0..<min($0 + 100, bytes.count)]) }
        #expect(try frames(pieces, limits: RedisLimits()) == [.reply(.array((0..<count).map { .integer($0) }))])
    }

    @Test("random and mutated frames make it neither trap nor keep more than the limits allow") func random() throws {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["FRAMES"].flatMap { Int($0) } ?? 20_000
        var generator = Seeded(state: environment["SEED"].flatMap { UInt64($0) } ?? 5)
        var seen = (whole: 0, refused: 0)
        for _ in 0..<count {
            let bytes = generator.frame()
            var decoder = FrameDecoder(limits: Self.limits)
            var buffer = ByteBuffer()
            var rest = bytes[...]
            do {
                while !rest.isEmpty {
                    let piece = rest.prefix(generator.below(bytes.count) + 1)
                    rest = rest.dropFirst(piece.count)
                    buffer.writeBytes(piece)
                    while let frame = try decoder.next(in: &buffer) {
                        seen.whole += 1
                        try #require(frame.valueCount <= Self.limits.elementsMax && frame.depth <= Self.limits.depthMax)
                    }
                    // Nothing waits here but a string that is not complete, or a line.
                    try #require(buffer.readableBytes <= max(Self.limits.bulkBytesMax, FrameDecoder.lineBytesMax) + 32)
                }
            } catch let error as RedisError {
                #expect(error.code == .protocolViolation)
                seen.refused += 1
            }
        }
        // The generator makes both.
        #expect(seen.whole > count / 10 && seen.refused > count / 10)
    }
}

extension FrameDecoder.Frame {
    private var values: [RedisValue] {
        switch self {
        case .reply(let value): [value]
        case .push(let values): values
        }
    }

    /// How many values it holds, those within others counted.
    fileprivate var valueCount: Int { values.reduce(0) { $0 + $1.count } }
    /// How many lists stand within each other.
    fileprivate var depth: Int { values.map(\.depth).max() ?? 0 }
}

extension RedisValue {
    private var parts: [RedisValue]? {
        switch self {
        case .array(let elements), .set(let elements): elements
        case .map(let pairs): pairs.flatMap { [$0.key, $0.value] }
        default: nil
        }
    }

    fileprivate var count: Int { 1 + (parts ?? []).reduce(0) { $0 + $1.count } }
    fileprivate var depth: Int { parts.map { ($0.map(\.depth).max() ?? 0) + 1 } ?? 0 }
}

/// SplitMix64, and frames made by it.
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func below(_ limit: Int) -> Int { limit < 1 ? 0 : Int.random(in: 0..<limit, using: &self) }

    /// A frame that is whole, or damaged, or noise.
    mutating func frame() -> [UInt8] {
        if below(10) == 0 { return (0..<below(200)).map { _ in UInt8.random(in: 0...255, using: &self) } }
        var bytes = Array(value(depth: 0).utf8)
        guard below(2) == 0 else { return bytes }
        for _ in 0...below(4) where !bytes.isEmpty {
            let place = below(bytes.count)
            switch below(4) {
            case 0: bytes[place] = UInt8.random(in: 0...255, using: &self)
            case 1: bytes.remove(at: place)
            case 2: bytes.insert(contentsOf: bytes[place..<min(place + below(20), bytes.count)], at: place)
            default: bytes[place] = Array("$*%>|=!:+-0129\r\n".utf8)[below(16)]
            }
        }
        return bytes
    }

    private mutating func value(depth: Int) -> String {
        switch below(depth > 5 ? 9 : 13) {
        case 0: return "+\(below(1000))\r\n"
        case 1: return "-ERR \(below(1000))\r\n"
        case 2: return ":\(Int.random(in: .min ... .max, using: &self))\r\n"
        case 3, 4:
            let length = below(20) == 0 ? below(1500) : below(30)
            return "$\(length)\r\n\(String(repeating: "\r", count: length))\r\n"
        case 5: return "_\r\n"
        case 6: return "#\(below(2) == 0 ? "t" : "f")\r\n"
        case 7: return ",\(below(1000)).\(below(10))\r\n"
        case 8: return "(\(below(1000))\r\n"
        case 9: return "=7\r\ntxt:abc\r\n"
        default:
            let sign = ["*", "~", "%", ">", "|"][below(5)]
            let count = below(below(20) == 0 ? 120 : 6)
            let parts = (0..<(sign == "%" || sign == "|" ? 2 * count : count)).map { _ in value(depth: depth + 1) }
            return "\(sign)\(count)\r\n\(parts.joined())" + (sign == "|" ? ":1\r\n" : "")
        }
    }
}
