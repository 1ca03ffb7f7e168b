// SPDX-License-Identifier: Apache-2.0
internal import Glibc
internal import Sojourn

/// Where log lines go, and where they get their time from.
public struct LogOutput: Sendable {
    /// The time now, as RFC 3339 in UTC with milliseconds.
    let now: @Sendable () -> String
    /// Takes one line with its end.
    let write: @Sendable ([UInt8]) -> Void

    /// An output that takes its time and hands its lines to the closures given.
    public init(now: @escaping @Sendable () -> String = { clock() }, write: @escaping @Sendable ([UInt8]) -> Void) {
        self.now = now
        self.write = write
    }

    /// The process's standard output, where the twelve-factor rules want an event stream.
    public static let standardOutput = LogOutput { write($0, to: STDOUT_FILENO) }

    /// Whether the standard output is a terminal.
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// The computer's clock, as RFC 3339 in UTC with milliseconds.
    public static func clock() -> String { SystemWallClock().now.text }

    /// Writes all bytes to a descriptor: by one call, unless that is cut short by a signal or a full pipe.
    /// A descriptor that fails loses the line; there is nowhere left to say so.
    static func write(_ line: [UInt8], to descriptor: Int32) {
        line.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if written >= 0 {
                    rest = rest.dropFirst(written)
                } else if errno == EAGAIN {
                    var wait = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    poll(&wait, 1, -1)
                } else if errno != EINTR {
                    return
                }
            }
        }
    }
}
