// SPDX-License-Identifier: Apache-2.0

/// Stub until the driver's core is merged.
public struct RedisConfiguration: Sendable {
    /// A place where a server may be.
    public struct Host: Sendable, Hashable {
        /// name
        public var name: String
        /// port
        public var port: Int
        /// init
        public init(_ name: String, port: Int = 6379) {
            self.name = name
            self.port = port
        }
    }
}
