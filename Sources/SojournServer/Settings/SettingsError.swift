// SPDX-License-Identifier: Apache-2.0

/// The settings cannot be used. Tells all that is wrong with them, not just what was met first, and never a secret.
public struct SettingsError: Error, Sendable, Hashable {
    /// One thing that is wrong.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        /// The setting's name, or the file's where it cannot be read at all.
        public var name: String
        /// What stands there, redacted where it is a secret; nil where something is missing.
        public var found: String?
        /// Where it stands; `.standard` where something is missing.
        public var source: Settings.Source
        /// What should stand there.
        public var expected: String

        /// `PORT: found "x" (environment), expected a number from 0 to 65535`.
        public var description: String {
            let found = found.map { "found \"\($0)\" (\(source.rawValue)), " } ?? ""
            return "\(name): \(found)expected \(expected)"
        }
    }

    /// What is wrong, in the order of reading; at least one.
    public let problems: [Problem]
}

extension SettingsError: CustomStringConvertible {
    /// One problem a line.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}
