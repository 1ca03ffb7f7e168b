// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import Sojourn
internal import SojournServer
internal import Synchronization

/// `sojourn adopt`.
struct AdoptCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt",
        abstract: "Make a table of yours, with loose session ids, hang on Sojourn's sessions (PostgreSQL).",
        discussion: """
            The table stays where it is, and your applications go on using it. Every session id in it gets its \
            session, from its first row to its last; then the table gets a foreign key, checked, with cascade. From \
            then on a row whose session is not there is refused, and the rows of a deleted session go with it. No \
            reader or writer is stopped for longer than milliseconds. Interrupted (^C), it goes on where it was when \
            it is started again.

            What is adopted is deleted like any other session with its rows: by retention (RETENTION_DAYS, see \
            --dry-run), and with its user. Erasures wait until the adoption is done: a user who is erased before that \
            can come back with rows that are still in the table.

            The table needs session_id (uuid) and conversation_time, or created_at for the other kinds; user_id is \
            taken where it is there.
            """)

    @Argument(help: "What the table records: conversations, interactions, recommendations or feedback.")
    var kind: JournalKind?

    @Option(help: "The table, as in chatbot.conversations.")
    var from: String?

    @Option(help: "The type of the sessions begun; by default chat for conversations, web for the others.")
    var type: SessionType?

    @Option(help: "Where the clocks of a timestamp column without a zone stand, as in Asia/Seoul.")
    var timeZone = "UTC"

    @Option(help: "How many session ids a transaction looks at.")
    var batch = 1000

    @Flag(help: "Go on although retention (RETENTION_DAYS) will delete the oldest sessions, and their rows.")
    var allowDeletion = false

    @Flag(help: "Count what would be done, and change nothing.")
    var dryRun = false

    @Flag(help: "Show all adoptions and how far they are.")
    var status = false

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...100_000).contains(batch) else { throw ValidationError("--batch is a number from 1 to 100000.") }
        guard status ? kind == nil && from == nil && !dryRun : kind != nil && from != nil else {
            throw ValidationError("Either a kind and --from with its table, or --status alone.")
        }
    }

    func work() async throws {
        let settings = try await store.settings()
        let adopter = try await OpenStore.adopting(settings)
        guard let kind, let from else { return show(try await adopter.adoptions()) }
        let type = type ?? (kind == .conversations ? .chat : .web)
        var order = AdoptionOrder(kind, from: from, sessionType: type, timeZone: timeZone)
        if case .after(let kept) = settings.policies[type].retention { order.keptFor = kept }
        Terminal.remark("adopt: looking at \(from)\n")
        let survey = try await adopter.survey(order)
        guard !dryRun else { return show(survey) }
        if survey.mixed > 0 {
            Terminal.remark(
                """
                warning: several users wrote under one session id, in \(survey.mixed.grouped) \
                case\(survey.mixed == 1 ? "" : "s"); the last is the session's

                """
            )
        }
        guard survey.retired == 0 || allowDeletion else { throw survey.deletion }
        let steps = AdoptionSteps(of: survey.sessions)
        let adoption = try await adopter.adopt(survey, batch: batch) { steps.show($0) }
        steps.finish()
        guard !survey.isAdopted else {
            return Terminal.say(output.json ? adoption.json.text : "\(survey.table) is adopted already.")
        }
        guard !output.json else {
            return Terminal.say(JSONValue.object(adoption.members.merging(survey.order.members) { $1 }).text)
        }
        Terminal.say(
            """
            \(adoption.table) is adopted: \(adoption.made.grouped) session\(adoption.made == 1 ? " was" : "s were") \
            begun for it.
            From now on a row whose session_id is not in sojourn.session_master is refused: begin sessions with \
            sojourn.start_session() or over HTTP before writing. A session that is deleted takes its rows along.
            \(survey.order.fate)
            """)
    }

    /// What would be done.
    private func show(_ survey: AdoptionSurvey) {
        guard !output.json else { return Terminal.say(survey.json.text) }
        guard !survey.isAdopted else { return Terminal.say("\(survey.table) is adopted already.") }
        var table = Table("\(survey.table)", "#count")
        table.rows = [
            ["rows", survey.rows.grouped], ["session ids", survey.sessions.grouped],
            ["sessions to begin", survey.unknown.grouped],
            ["  of these past retention", survey.retired.grouped],
            ["session ids of several users", survey.mixed.grouped],
            ["indexes to make", survey.unindexed.count.grouped],
        ]
        Terminal.say(table.text + "\n\(survey.order.fate)")
    }

    /// All adoptions.
    private func show(_ adoptions: [Adoption]) {
        guard !output.json else {
            return Terminal.say(JSONValue.object(["adoptions": .array(adoptions.map(\.json))]).text)
        }
        var table = Table("table", "kind", "state", "#seen", "#begun", "started", "changed")
        table.rows = adoptions.map { adoption in
            [
                adoption.table, adoption.kind.rawValue, adoption.state.rawValue, adoption.seen.grouped,
                adoption.made.grouped, adoption.startedAt.shown, adoption.changedAt.shown,
            ]
        }
        Terminal.say(table.text)
    }
}

/// An adoption's steps, as a person follows them: a bar for each way through the ids, and a line for what has no count.
private final class AdoptionSteps: Sendable {
    private let sessions: Int
    private let bar = Mutex<Progress?>(nil)

    /// The steps over so many session ids.
    init(of sessions: Int) {
        self.sessions = sessions
    }

    /// Shows a step as it begins, or how far it is.
    func show(_ step: AdoptionStep) {
        switch step {
        case .indexing(let table): say("making an index on \(table) (session_id)")
        case .filling(let done): advance("adopt", to: done)
        case .constraining(let table): say("adding the foreign key of \(table)")
        case .closing(let done): advance("look again", to: done)
        case .validating(let table): say("validating the foreign key of \(table)")
        }
    }

    /// Ends the line that a bar stands on.
    func finish() {
        bar.withLock { bar in
            bar?.finish()
            bar = nil
        }
    }

    private func say(_ line: String) {
        finish()
        Terminal.remark("adopt: \(line)\n")
    }

    private func advance(_ title: String, to done: Int) {
        bar.withLock { bar in
            if bar?.title != title {
                bar?.finish()
                bar = Progress(title, of: sessions)
            }
            bar?.show(done)
        }
    }
}

extension JournalKind: ExpressibleByArgument {}

extension AdoptionOrder {
    /// How many days ended sessions of its type are kept; nil for ever.
    private var keptDays: Int? { keptFor.map { Int($0.components.seconds / 86_400) } }

    /// What becomes of what is adopted.
    fileprivate var fate: String {
        let sessions = "\(sessionType.rawValue) sessions, and their rows here, are"
        guard let days = keptDays else { return "\(sessions) kept however old they are (RETENTION_DAYS)." }
        return "\(sessions) deleted \(days.grouped) day\(days == 1 ? "" : "s") after their end (RETENTION_DAYS)."
    }

    fileprivate var members: [String: JSONValue] {
        ["session_type": .string(sessionType.rawValue), "kept_days": keptDays.map(JSONValue.count) ?? .null]
    }
}

extension AdoptionSurvey {
    fileprivate var json: JSONValue {
        let members: [String: JSONValue] = [
            "dry_run": .bool(true), "table": .string(table), "kind": .string(order.kind.rawValue),
            "adopted": .bool(isAdopted), "rows": .count(rows), "session_ids": .count(sessions),
            "sessions_to_begin": .count(unknown), "past_retention": .count(retired),
            "session_ids_of_several_users": .count(mixed), "without_index": .array(unindexed.map(JSONValue.string)),
        ]
        return .object(members.merging(order.members) { $1 })
    }

    /// Why nothing is done where retention would delete what was just adopted.
    fileprivate var deletion: SojournError {
        SojournError(
            .invalidInput,
            """
            \(retired.grouped) of these sessions would have ended so long ago that the next sweep deletes them, and \
            their rows in \(table). Keep \(order.sessionType.rawValue) sessions for longer (RETENTION_DAYS, in the \
            settings of every server), or say --allow-deletion. Nothing was changed.
            """)
    }
}

extension Adoption {
    fileprivate var json: JSONValue { .object(members) }

    fileprivate var members: [String: JSONValue] {
        [
            "table": .string(table), "kind": .string(kind.rawValue), "state": .string(state.rawValue),
            "session_ids_seen": .count(seen), "sessions_begun": .count(made), "started_at": .time(startedAt),
            "changed_at": .time(changedAt), "adopted_at": .time(adoptedAt),
        ]
    }
}
