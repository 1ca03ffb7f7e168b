// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
internal import Sojourn

/// Redis's failures in our terms, each with a message for the person who reads it at 3 a.m.
enum RedisFailure {
    /// Runs `body` with its failures in our terms.
    static func mapping<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw map(error) }
    }

    /// `error` as a `SojournError`: ours as they are, the driver's by their code and what the server said.
    static func map(_ error: any Error) -> SojournError {
        if let error = error as? SojournError { return error }
        guard let error = error as? RedisError else {
            return SojournError(.storeUnavailable, "Redis did not answer.", underlying: error)
        }
        let (code, message) = meaning(of: error)
        return SojournError(code, message, underlying: error)
    }

    private static func meaning(of error: RedisError) -> (SojournError.Code, String) {
        switch error.code {
        case .server: meaning(ofWord: error.serverCode ?? "")
        case .queueFull: (.storeUnavailable, "Too many calls are waiting for Redis. Try again in a moment.")
        case .timedOut: (.storeUnavailable, "Redis did not answer in time. Look at its load and the network.")
        case .unreachable:
            (.storeUnavailable, "Redis cannot be reached. Check that it runs and that REDIS_URL is right.")
        case .configuration: (.storeUnavailable, "The connection to Redis is not configured right: \(error)")
        case .shutDown: (.storeUnavailable, "Redis is closed.")
        case .unexpectedResult:
            (.storeDamaged, "Redis answered in a form that this version does not know: are its keys another program's?")
        default: (.storeUnavailable, "The connection to Redis was lost. Try again in a moment.")
        }
    }

    private static func meaning(ofWord word: String) -> (SojournError.Code, String) {
        switch word {
        case "OOM":
            (.storeFull, "Redis is at its maxmemory and takes no writes: give it more, or let sessions live shorter.")
        case "MISCONF":
            (.storeFull, "Redis cannot save to its disk and takes no writes: see its log and the disk.")
        case "READONLY":
            (.storeUnavailable, "Redis takes no writes there: it is a replica. Name the primary in REDIS_URL.")
        case "NOPERM", "NOAUTH", "WRONGPASS":
            (.storeUnavailable, "Redis refuses the user of REDIS_URL: check its password and its ACL.")
        case "WRONGTYPE":
            (.storeDamaged, "Redis holds another program's keys under our names: choose another prefix.")
        case "CLUSTERDOWN": (.storeUnavailable, "The Redis cluster is down: too many of its nodes cannot be reached.")
        case "CROSSSLOT", "MOVED":
            (.storeUnavailable, "This Redis is a cluster: write REDIS_URL as redis+cluster://host:port.")
        default: (.storeUnavailable, "Redis refused the call. Look at its log.")
        }
    }
}
