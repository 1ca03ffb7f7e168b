// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Who hears what comes in on a wire. Called on the wire's event loop.
protocol WireReader: AnyObject {
    /// A frame came in.
    func received(_ frame: FrameDecoder.Frame)
    /// The connection is gone; nothing more will come.
    func ended(_ reason: RedisError)
}

/// One connection: bytes out, frames in.
///
/// Used on its event loop only, which is why it may be handed from one place to another.
final class Wire: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Who hears what comes in; nil once nobody wants to.
    var reader: (any WireReader)?
    private var decoder: FrameDecoder
    private var arrived = ByteBuffer()
    private var context: ChannelHandlerContext?
    private var failure: RedisError?

    /// A wire that reads answers within `limits`.
    init(limits: RedisLimits) {
        decoder = FrameDecoder(limits: limits)
    }

    /// Whether the connection stands, as far as anybody knows.
    var isOpen: Bool { context != nil }

    /// Writes `bytes`, all at once.
    func write(_ bytes: ByteBuffer) {
        context?.writeAndFlush(Self.wrapOutboundOut(bytes), promise: nil)
    }

    /// Closes the connection; nobody is told of anything any more.
    func close() {
        reader = nil
        context?.close(promise: nil)
        context = nil
    }

    /// Closes the connection, of which its reader is told.
    func fail(_ reason: RedisError) {
        let reader = reader
        close()
        reader?.ended(reason)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        if arrived.readableBytes == 0 { arrived = bytes } else { arrived.writeBuffer(&bytes) }
        do throws(RedisError) {
            while let reader, let frame = try decoder.next(in: &arrived) { reader.received(frame) }
        } catch {
            fail(error)
        }
        if arrived.readableBytes == 0 {
            arrived = ByteBuffer()
        } else if arrived.readerIndex > arrived.readableBytes {
            arrived.discardReadBytes()
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(failure ?? RedisError(.connectionLost, "Redis closed the connection."))
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failure = failure ?? RedisError(broken: error)
        context.close(promise: nil)
    }
}
