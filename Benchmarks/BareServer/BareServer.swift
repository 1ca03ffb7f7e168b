// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import Logging

/// The floor of `script/bench http`: one Hummingbird route without middleware that answers fixed JSON.
///
/// Usage: `BareServer PORT BYTES`, where BYTES is the size of the answer to be compared with.
@main
enum BareServer {
    static func main() async throws {
        let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        guard numbers.count == 2 else { fatalError("usage: BareServer PORT BYTES") }
        let frame = #"{"filling":""}"#
        let filling = String(repeating: "x", count: max(0, numbers[1] - frame.utf8.count))
        let body = ByteBuffer(string: #"{"filling":"\#(filling)"}"#)
        let router = Router()
        router.get("v1/session") { _, _ in
            Response(status: .ok, headers: [.contentType: "application/json"], body: .init(byteBuffer: body))
        }
        let application = Application(
            router: router, configuration: .init(address: .hostname("127.0.0.1", port: numbers[0]), serverName: nil),
            logger: Logger(label: "bare") { _ in SwiftLogNoOpLogHandler() })
        try await application.runService()
    }
}
