// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Reads RESP2 and RESP3 from a stream of bytes, none of which it trusts.
///
/// What is begun stays begun: lists that are not complete wait on a stack with the elements that they have, and the next
/// read goes on where the last one ended. Only the header of a string whose bytes are still to come is read again. So
/// the work is linear in the bytes, however they are cut.
///
/// Whatever breaks a rule or a limit is thrown, and the connection is over: nobody knows where the next answer begins.
/// The limits also bound the buffer before the decoder: more than one string of the greatest size is never waited for.
struct FrameDecoder {
    /// What stands by itself in the stream.
    enum Frame: Equatable {
        /// The answer to a command.
        case reply(RedisValue)
        /// Sent by the server on its own account: it answers nothing.
        case push([RedisValue])
    }

    private enum Kind {
        case array, map, set, push
        /// Remarks on the value that follows, which nobody asked for.
        case attribute
    }

    /// A list that is not complete yet.
    private struct Partial {
        let kind: Kind
        var missing: Int
        var elements: [RedisValue] = []

        init(_ kind: Kind, count: Int) {
            self.kind = kind
            missing = count
            // The count is the server's word; what it does not send must cost nothing.
            elements.reserveCapacity(min(count, 64))
        }
    }

    /// Longest line: a status, an error, a number or a length.
    static let lineBytesMax = 65_536

    /// The first bytes of all types.
    private static let signs = Array("+-:$*_#,(!=%~>|".utf8)

    private let limits: RedisLimits
    private var stack: [Partial] = []
    /// How many bytes of an unfinished line have been looked through.
    private var searched = 0
    /// Values in the frame so far.
    private var elementCount = 0
    /// Bytes of the frame so far.
    private var byteCount = 0

    /// A decoder at the beginning of a stream.
    init(limits: RedisLimits) {
        self.limits = limits
    }

    /// The next frame, taken from the front of `buffer`; nil where it is not complete yet.
    ///
    /// - Throws: `.protocolViolation`; the decoder is not to be used any more then.
    mutating func next(in buffer: inout ByteBuffer) throws(RedisError) -> Frame? {
        var position = 0
        let frame = try buffer.withUnsafeReadableBytes { bytes throws(RedisError) in
            try read(bytes, &position)
        }
        buffer.moveReaderIndex(forwardBy: position)
        return frame
    }
}

// MARK: - Values and their places

extension FrameDecoder {
    private mutating func read(_ bytes: UnsafeRawBufferPointer, _ position: inout Int) throws(RedisError) -> Frame? {
        while position < bytes.count {
            guard let lineEnd = try lineEnd(bytes, from: position) else { return nil }
            var end = lineEnd + 2
            let line = UnsafeRawBufferPointer(rebasing: bytes[(position + 1)..<lineEnd])
            var value: RedisValue?
            switch bytes[position] {
            case UInt8(ascii: "$"), UInt8(ascii: "="), UInt8(ascii: "!"):
                guard let length = try length(line, max: limits.bulkBytesMax) else {
                    guard bytes[position] == UInt8(ascii: "$") else { throw .violation("a length is negative") }
                    value = .null
                    break
                }
                try count(bytes: end - position + length + 2, isWaiting: true)
                guard bytes.count - end >= length + 2 else { return nil }
                guard bytes[end + length] == UInt8(ascii: "\r"), bytes[end + length + 1] == UInt8(ascii: "\n") else {
                    throw .violation("a string does not end where its length says")
                }
                let content = UnsafeRawBufferPointer(rebasing: bytes[end..<(end + length)])
                value = try string(content, sign: bytes[position])
                end += length + 2
            case UInt8(ascii: "*"), UInt8(ascii: "~"), UInt8(ascii: ">"), UInt8(ascii: "%"), UInt8(ascii: "|"):
                value = try open(sign: bytes[position], line)
            default: value = try scalar(sign: bytes[position], line)
            }
            try count(bytes: end - position, isWaiting: false)
            position = end
            searched = 0
            elementCount += 1
            guard elementCount <= limits.elementsMax else { throw .violation("an answer has too many elements") }
            if let frame = close(with: value) {
                elementCount = 0
                byteCount = 0
                return frame
            }
        }
        return nil
    }

    /// Notes bytes of the frame, or asks whether so many more would be allowed.
    private mutating func count(bytes: Int, isWaiting: Bool) throws(RedisError) {
        guard byteCount + bytes <= limits.answerBytesMax else { throw .violation("an answer has too many bytes") }
        if !isWaiting { byteCount += bytes }
    }

    /// Begins a list; nil, unless it is the null of RESP2.
    private mutating func open(sign: UInt8, _ line: UnsafeRawBufferPointer) throws(RedisError) -> RedisValue? {
        guard let count = try length(line, max: limits.elementsMax) else {
            guard sign == UInt8(ascii: "*") else { throw .violation("a length is negative") }
            return .null
        }
        guard stack.count < limits.depthMax else { throw .violation("an answer is nested too deep") }
        switch sign {
        case UInt8(ascii: "*"): stack.append(Partial(.array, count: count))
        case UInt8(ascii: "~"): stack.append(Partial(.set, count: count))
        case UInt8(ascii: "%"): stack.append(Partial(.map, count: 2 * count))
        case UInt8(ascii: "|"): stack.append(Partial(.attribute, count: 2 * count))
        default:
            guard stack.isEmpty else { throw .violation("a push is within another value") }
            stack.append(Partial(.push, count: count))
        }
        return nil
    }

    /// Puts `value` where it belongs, closes the lists that are complete by it, and returns what stands by itself then.
    private mutating func close(with value: RedisValue?) -> Frame? {
        if let value {
            guard let last = stack.indices.last else { return .reply(value) }
            stack[last].elements.append(value)
            stack[last].missing -= 1
        }
        while let top = stack.indices.last, stack[top].missing == 0 {
            let last = stack.removeLast()
            let whole: RedisValue
            switch last.kind {
            case .attribute: return nil
            case .push: return .push(last.elements)
            case .array: whole = .array(last.elements)
            case .set: whole = .set(last.elements)
            case .map:
                whole = .map(
                    stride(from: 0, to: last.elements.count, by: 2).map {
                        RedisValue.Pair(key: last.elements[$0], value: last.elements[$0 + 1])
                    })
            }
            guard let outer = stack.indices.last else { return .reply(whole) }
            stack[outer].elements.append(whole)
            stack[outer].missing -= 1
        }
        return nil
    }
}

// MARK: - Lines and what they say

extension FrameDecoder {
    /// Where the line that begins at `start` has its carriage return; nil where its end has not come yet.
    private mutating func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) throws(RedisError) -> Int? {
        var index = start + 1 + searched
        while index < bytes.count, bytes[index] != UInt8(ascii: "\r") { index += 1 }
        guard index - start <= Self.lineBytesMax else { throw .violation("a line is too long") }
        guard index + 1 < bytes.count else {
            // What is of no type is no line that could end.
            guard Self.signs.contains(bytes[start]) else { throw .violation("a value is of no known type") }
            searched = max(0, index - start - 1)
            return nil
        }
        guard bytes[index + 1] == UInt8(ascii: "\n") else {
            throw .violation("a carriage return is not followed by a line feed")
        }
        return index
    }

    /// A value that is a line by itself.
    private func scalar(sign: UInt8, _ line: UnsafeRawBufferPointer) throws(RedisError) -> RedisValue {
        switch sign {
        case UInt8(ascii: "+"): return .text(String(decoding: line, as: UTF8.self))
        case UInt8(ascii: "-"): return .error(RedisErrorReply(String(decoding: line, as: UTF8.self)))
        case UInt8(ascii: ":"): return .integer(try integer(line))
        case UInt8(ascii: "_"):
            guard line.isEmpty else { throw .violation("a null has content") }
            return .null
        case UInt8(ascii: "#"):
            guard line.count == 1, line[0] == UInt8(ascii: "t") || line[0] == UInt8(ascii: "f") else {
                throw .violation("a boolean is neither true nor false")
            }
            return .boolean(line[0] == UInt8(ascii: "t"))
        case UInt8(ascii: ","):
            guard line.count <= 64, let number = Double(String(decoding: line, as: UTF8.self)) else {
                throw .violation("a double is not a number")
            }
            return .double(number)
        case UInt8(ascii: "("):
            let digits = line.first.map { $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "+") } ?? false
            guard line.dropFirst(digits ? 1 : 0).allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }),
                line.count > (digits ? 1 : 0)
            else { throw .violation("a big number is not a number") }
            return .bigNumber(String(decoding: line, as: UTF8.self))
        default: throw .violation("a value is of no known type")
        }
    }

    /// A value that was counted in bytes.
    private func string(_ content: UnsafeRawBufferPointer, sign: UInt8) throws(RedisError) -> RedisValue {
        switch sign {
        case UInt8(ascii: "$"): return .bytes(Array(content))
        case UInt8(ascii: "!"): return .error(RedisErrorReply(String(decoding: content, as: UTF8.self)))
        default:
            // Three letters and a colon tell a format, which is the reader's business.
            guard content.count >= 4, content[3] == UInt8(ascii: ":") else {
                throw .violation("a verbatim string has no format")
            }
            return .bytes(Array(content.dropFirst(4)))
        }
    }

    /// A length of at most `max`; nil for -1, which is a null in RESP2.
    private func length(_ line: UnsafeRawBufferPointer, max: Int) throws(RedisError) -> Int? {
        let length = try integer(line)
        if length == -1 { return nil }
        guard length >= 0 else { throw .violation("a length is negative") }
        guard length <= max else { throw .violation("a length is above the limit") }
        return length
    }

    private func integer(_ line: UnsafeRawBufferPointer) throws(RedisError) -> Int {
        guard let number = Int(decimal: line) else { throw .violation("a number is none of 64 bits") }
        return number
    }
}

extension RedisError {
    /// The server broke the protocol: `what` completes a sentence and quotes nothing.
    static func violation(_ what: String, file: String = #fileID, line: Int = #line) -> Self {
        Self(.protocolViolation, "Redis sent what cannot be read: \(what).", outcome: .unknown, file: file, line: line)
    }
}
