// SPDX-License-Identifier: Apache-2.0
import Configuration

@testable import SojournServer

extension Settings {
    /// Settings from the environment and the command line alone.
    init(variables: [String: String], flags: [String: String] = [:]) throws(SettingsError) {
        try self.init([(.flag, .layer(flags)), (.environment, .layer(variables))])
    }
}

extension ConfigProvider where Self == InMemoryProvider {
    /// A layer that holds texts by the settings' names.
    static func layer(_ values: [String: String]) -> InMemoryProvider {
        let pairs = values.map { name, text in
            let key = AbsoluteConfigKey(name.lowercased().split(separator: ".").map(String.init))
            return (key, ConfigValue(.string(text), isSecret: false))
        }
        return InMemoryProvider(values: Dictionary(uniqueKeysWithValues: pairs))
    }
}
