// SPDX-License-Identifier: Apache-2.0

public import Hummingbird
internal import NIOCore

/// What Hummingbird carries beside each request of ours: the parameters of the path, and who is at the other end.
public struct SojournContext: RequestContext {
    public var coreContext: CoreRequestContextStorage
    private let channel: any Channel

    public init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }

    /// The address at the other end of the connection; nil where it has none.
    var peer: IPAddress? { channel.remoteAddress?.ipAddress.flatMap { IPAddress($0) } }
}
