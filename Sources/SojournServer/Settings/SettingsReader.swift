// SPDX-License-Identifier: Apache-2.0
internal import Configuration
internal import Synchronization

/// Reads settings one by one from layered sources, and remembers where each stood and what was wrong.
///
/// Nothing is thrown: a setting that cannot be read has its default, and stands among the problems.
struct SettingsReader {
    /// A source and what it says, strongest first.
    typealias Layer = (source: Settings.Source, provider: any ConfigProvider)

    /// What was read so far.
    private(set) var rows: [Settings.Row] = []
    /// What was wrong so far.
    private(set) var problems: [SettingsError.Problem] = []
    /// What looks like a mistake so far.
    private(set) var warnings: [String] = []
    /// The sources in the order of `config`'s providers.
    private let sources: [Settings.Source]
    /// All layers, as one.
    private let config: ConfigReader
    /// Told by `config` which provider answered.
    private let lookups = LookupRecorder()

    /// A reader over at least one layer, the strongest first.
    init(_ layers: [Layer]) {
        sources = layers.map(\.source)
        config = ConfigReader(providers: layers.map(\.provider), accessReporter: lookups)
    }

    /// Adds a problem that concerns more than one setting.
    mutating func complain(_ name: String, found: String? = nil, expected: String) {
        problems.append(.init(name: name, found: found, source: source(of: name), expected: expected))
    }

    /// Adds what looks like a mistake and is none for certain.
    mutating func warn(_ name: String, _ sentence: String) {
        warnings.append("\(name) (\(source(of: name).rawValue)): \(sentence)")
    }

    /// Where a setting stands, read or not.
    func source(of name: String) -> Settings.Source { texts(name).1 }

    /// Whether something was wrong with a setting so far.
    func isWrong(_ name: String) -> Bool { problems.contains { $0.name == name } }

    /// The value of a setting, or the default where it is not set.
    mutating func read<Value>(_ name: String, _ grammar: Grammar<Value>, default standard: Value) -> Value {
        let (texts, source) = texts(name)
        var value = standard
        if let text = texts?.only, !text.isEmpty {
            if let parsed = grammar.parse(text) { value = parsed } else { refuse(name, text, source, grammar) }
        } else if let texts, texts.count != 1 {
            problems.append(.init(name: name, found: "a list", source: source, expected: grammar.expected))
        }
        rows.append(.init(name: name, value: grammar.show(value), source: source))
        return value
    }

    /// The value of a setting that has no default: nil where it is not set, or set to `none`.
    mutating func readIfSet<Value>(_ name: String, _ grammar: Grammar<Value>) -> Value? {
        read(name, grammar.or("none"), default: nil)
    }

    /// The elements of a setting: a list in YAML, or text with commas anywhere. None where it is not set.
    mutating func readList<Value>(_ name: String, _ grammar: Grammar<Value>) -> [Value] {
        let (texts, source) = texts(name)
        let elements = (texts ?? []).flatMap { $0.split(separator: ",").map(\.trimmed) }.filter { !$0.isEmpty }
        let values = elements.compactMap { text in
            let value = grammar.parse(text)
            if value == nil { refuse(name, text, source, grammar) }
            return value
        }
        let shown = values.map(grammar.show).joined(separator: ", ")
        rows.append(.init(name: name, value: shown.isEmpty ? "none" : shown, source: source))
        return values
    }

    /// Whether a setting is set to anything but nothing.
    func isSet(_ name: String) -> Bool { texts(name).0?.contains { !$0.isEmpty } ?? false }

    /// Adds the problem of a text that the grammar does not know.
    private mutating func refuse<Value>(
        _ name: String, _ text: String, _ source: Settings.Source, _ grammar: Grammar<Value>
    ) {
        problems.append(
            .init(name: name, found: grammar.redact(text), source: source, expected: grammar.expected))
    }

    /// What stands at a name, without blanks around it, and where: one text, or the elements of a list. Nil and
    /// `.standard` where nothing does.
    private func texts(_ name: String) -> ([String]?, Settings.Source) {
        let key = ConfigKey(name.lowercased().split(separator: ".").map(String.init))
        if let text = config.string(forKey: key) { return ([text.trimmed], source()) }
        if let texts = config.stringArray(forKey: key) { return (texts.map(\.trimmed), source()) }
        return (nil, .standard)
    }

    /// The source that answered the last look-up.
    private func source() -> Settings.Source {
        lookups.answeredBy.map { sources[$0] } ?? .standard
    }
}

/// Listens to the configuration reader, to learn which of its providers gave a value.
private final class LookupRecorder: AccessReporter {
    /// The index of that provider at the last look-up.
    private let index = Mutex<Int?>(nil)

    /// The index of the provider that answered the last look-up; nil where none did.
    var answeredBy: Int? { index.withLock { $0 } }

    /// Providers are asked in order until one has a value, so that the last that was asked gave it.
    func report(_ event: AccessEvent) {
        let last = event.providerResults.indices.last
        let hasValue = last.map { (try? event.providerResults[$0].result.get().value) != nil } ?? false
        index.withLock { $0 = hasValue ? last : nil }
    }
}

extension Array {
    /// The element of an array of one; nil for any other count.
    fileprivate var only: Element? { count == 1 ? first : nil }
}

extension StringProtocol {
    /// The text without blanks around it.
    var trimmed: String {
        let start = drop { $0.isWhitespace }
        return String(start.reversed().drop { $0.isWhitespace }.reversed())
    }
}
