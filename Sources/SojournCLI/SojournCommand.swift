// SPDX-License-Identifier: Apache-2.0
import ArgumentParser

@main struct SojournCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "sojourn")
}
