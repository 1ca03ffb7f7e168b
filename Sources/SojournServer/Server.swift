// SPDX-License-Identifier: Apache-2.0

public import SojournHTTP

/// placeholder while HTTP lands
public struct Server {
    public init(_ settings: Settings) {}
    public func run() async throws {}
}
