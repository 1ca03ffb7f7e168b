// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// A session's copy as one string: to look it up is one command without a script, and to read it makes nothing but what
/// the session consists of.
///
/// It begins with its form, its era and the time at which it was read. Numbers take eight bytes, strings as many as a number
/// before them says; what is not there is a number of its own, `missing`.
struct PackedRecord {
    /// The form. Bytes of another one are no copy.
    private static let form = 2

    /// The bytes of a copy of `image`, made in `era`.
    static func pack(_ image: SessionImage, era: Int64) -> [UInt8] {
        let record = image.record
        let session = record.session
        var packer = Packer()
        packer.put(form)
        packer.put(Int(era))
        packer.put(image.at)
        packer.put(session.userID?.text)
        packer.put(session.type.rawValue)
        packer.put(session.metadata.text)
        packer.put(session.claims.text)
        packer.put(session.version)
        packer.put(session.createdAt)
        packer.put(session.lastActivity)
        packer.put(session.expiresAt)
        packer.put(session.absoluteExpiresAt)
        packer.put(session.requestCount)
        packer.put(session.turnCount)
        packer.put(session.ipAddress)
        packer.put(session.userAgent)
        packer.put(Int(session.life.microseconds))
        packer.put(session.renewal.rawValue)
        packer.put(session.end?.at)
        if let end = session.end { packer.put(end.reason.rawValue) }
        packer.put(record.digest?.bytes)
        packer.put(record.previous?.digest.bytes)
        if let previous = record.previous {
            packer.put(previous.until)
            packer.put(previous.successorSealed)
        }
        packer.put(record.epoch)
        return packer.bytes
    }

    /// The session `id` as `bytes` have it; nil where they are of another era or form.
    static func unpack(_ bytes: [UInt8], of id: SessionID, era: Int64) -> SessionImage? {
        try? bytes.withUnsafeBytes { bytes throws(Foreign) in
            var unpacker = Unpacker(bytes: bytes)
            guard try unpacker.number() == form, try unpacker.number() == Int(era) else { throw Foreign() }
            let at: Timestamp = try unpacker.moment()
            let session = Session(
                id: id, userID: try unpacker.text().map(UserID.init(stored:)), type: try unpacker.word(),
                metadata: try unpacker.document(), claims: try unpacker.document(), version: try unpacker.number(),
                createdAt: try unpacker.moment(), lastActivity: try unpacker.moment(),
                expiresAt: try unpacker.moment(), absoluteExpiresAt: try unpacker.moment(),
                requestCount: try unpacker.number(), turnCount: try unpacker.number(),
                ipAddress: try unpacker.text(), userAgent: try unpacker.text(),
                life: .microseconds(try unpacker.number()), renewal: try unpacker.word(), end: try unpacker.end())
            let record = SessionRecord(
                session: session, digest: try unpacker.string().map(SecretDigest.init(bytes:)),
                previous: try unpacker.previous(), epoch: try unpacker.number())
            // Counts are counted on.
            let counts = [session.requestCount, session.turnCount, session.version, record.epoch]
            guard unpacker.isAtEnd, counts.allSatisfy({ (0...1 << 53).contains($0) }) else { throw Foreign() }
            return SessionImage(record: record, at: at)
        }
    }

    /// The bytes are no copy of this form.
    fileprivate struct Foreign: Error {}
}

/// Writes one value after the other.
private struct Packer {
    private(set) var bytes: [UInt8] = []

    init() {
        bytes.reserveCapacity(512)
    }

    mutating func put(_ number: Int?) {
        withUnsafeBytes(of: (number ?? Unpacker.missing).littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func put(_ moment: Timestamp?) { put(moment.map { Int($0.microseconds) }) }

    mutating func put(_ text: String?) {
        put(text?.utf8.count)
        if let text { bytes.append(contentsOf: text.utf8) }
    }

    mutating func put(_ string: [UInt8]?) {
        put(string?.count)
        if let string { bytes.append(contentsOf: string) }
    }
}

/// Reads what a packer wrote, and believes none of it.
private struct Unpacker {
    /// What stands for nothing.
    static let missing = Int.min

    let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func number() throws(PackedRecord.Foreign) -> Int? {
        guard bytes.count - position >= 8 else { throw PackedRecord.Foreign() }
        defer { position += 8 }
        let number = Int(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: Int.self))
        return number == Self.missing ? nil : number
    }

    mutating func number() throws(PackedRecord.Foreign) -> Int { try present(number()) }

    mutating func moment() throws(PackedRecord.Foreign) -> Timestamp? {
        try number().map { Timestamp(microseconds: Int64($0)) }
    }

    mutating func moment() throws(PackedRecord.Foreign) -> Timestamp { try present(moment()) }

    mutating func text() throws(PackedRecord.Foreign) -> String? {
        try slice().map { String(decoding: $0, as: UTF8.self) }
    }

    mutating func string() throws(PackedRecord.Foreign) -> [UInt8]? { try slice().map { Array($0) } }

    mutating func document() throws(PackedRecord.Foreign) -> JSONDocument { JSONDocument(stored: try present(text())) }

    /// A word of an enumeration.
    mutating func word<Name: RawRepresentable>() throws(PackedRecord.Foreign) -> Name where Name.RawValue == String {
        try present(Name(rawValue: present(text())))
    }

    mutating func end() throws(PackedRecord.Foreign) -> SessionEnd? {
        guard let at: Timestamp = try moment() else { return nil }
        return SessionEnd(at: at, reason: try word())
    }

    mutating func previous() throws(PackedRecord.Foreign) -> PreviousSecret? {
        guard let digest = try string() else { return nil }
        return PreviousSecret(
            digest: SecretDigest(bytes: digest), until: try moment(), successorSealed: try present(string()))
    }

    /// The bytes of a string.
    private mutating func slice() throws(PackedRecord.Foreign) -> UnsafeRawBufferPointer? {
        guard let count: Int = try number() else { return nil }
        guard (0...bytes.count - position).contains(count) else { throw PackedRecord.Foreign() }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// What must be there.
    private func present<Value>(_ value: Value?) throws(PackedRecord.Foreign) -> Value {
        guard let value else { throw PackedRecord.Foreign() }
        return value
    }
}
