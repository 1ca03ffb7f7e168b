// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn check`.
struct CheckCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Show the settings and where they came from, and check the store.",
        discussion: "Exits with 2 where something is wrong. Secrets are redacted.")

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let settings = try await store.settings()
        let report = await report(settings)
        if output.json {
            let rows = settings.describe().map { row in
                JSONValue.object([
                    "name": .string(row.name), "value": .string(row.value), "source": .string(row.source.rawValue),
                ])
            }
            let findings = report.findings.map { finding in
                JSONValue.object([
                    "check": .string(finding.check), "good": .bool(finding.isGood), "detail": .string(finding.detail),
                ])
            }
            let all: [String: JSONValue] = [
                "good": .bool(report.isGood), "settings": .array(rows), "findings": .array(findings),
                "warnings": .array(settings.warnings.map(JSONValue.string)),
            ]
            Terminal.say(JSONValue.object(all).text)
        } else {
            var table = Table("setting", "value", "from")
            table.rows = settings.describe().map { [$0.name, $0.value, $0.source.rawValue] }
            Terminal.say(table.text + "\n")
            for warning in settings.warnings { Terminal.say("warning: \(warning)") }
            var checks = Table("check", "", "found")
            checks.rows = report.findings.map { [$0.check, $0.isGood ? "ok" : "WRONG", $0.detail] }
            Terminal.say(checks.text)
        }
        guard report.isGood else { throw ExitCode(2) }
    }

    /// Whether a server would start, and what is found in the store; where it cannot be opened or read, that alone.
    private func report(_ settings: Settings) async -> IntegrityReport {
        var findings: [IntegrityReport.Finding] = []
        do {
            try settings.requireServiceKey()
        } catch {
            findings.append(.init(check: "service key", isGood: false, detail: "\(error)"))
        }
        do {
            findings += try await OpenStore(settings, for: .using).sessions.integrity().findings
        } catch {
            findings.append(.init(check: "store", isGood: false, detail: "\(error)"))
        }
        return IntegrityReport(findings: findings)
    }
}
