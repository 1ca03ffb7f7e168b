// SPDX-License-Identifier: Apache-2.0
import CoreMetrics
import Testing

@testable import SojournServer

/// The registry counts exactly under contention, and what it renders reads back as what was counted.
@Suite("Prometheus registry") struct PrometheusRegistryTests {
    @Test("concurrent increments of every kind are exact") func concurrentIncrements() async throws {
        let registry = PrometheusRegistry()
        await withTaskGroup { group in
            for _ in 0..<8 {
                group.addTask {
                    let hits = Counter(label: "hits", dimensions: [("route", "/a")], factory: registry)
                    let level = Meter(label: "level", factory: registry)
                    let wait = Timer(label: "wait", dimensions: [], preferredDisplayUnit: .seconds, factory: registry)
                    for _ in 0..<5_000 {
                        hits.increment()
                        level.increment(by: 0.5)
                        wait.recordNanoseconds(2_000_000)
                    }
                }
            }
        }
        let page = try Page(registry.render())
        #expect(page.samples[#"hits_total{route="/a"}"#] == 40_000)
        #expect(page.samples["level"] == 20_000)
        #expect(page.samples["wait_seconds_count"] == 40_000)
        #expect(page.samples[#"wait_seconds_bucket{le="0.001"}"#] == 0)
        #expect(page.samples[#"wait_seconds_bucket{le="0.0025"}"#] == 40_000)
        #expect(page.samples[#"wait_seconds_bucket{le="+Inf"}"#] == 40_000)
        #expect(abs((page.samples["wait_seconds_sum"] ?? 0) - 80) < 1e-6)
    }

    @Test("a family has one HELP and one TYPE line, before its samples") func headers() throws {
        let registry = PrometheusRegistry(help: ["hits": "How often.\nNot \\ more."])
        Counter(label: "hits", dimensions: [("a", "2")], factory: registry).increment()
        Counter(label: "hits", dimensions: [("a", "1")], factory: registry).increment()
        Recorder(label: "batch.size", dimensions: [], aggregate: true, factory: registry).record(4)
        Recorder(label: "last", dimensions: [], aggregate: false, factory: registry).record(2.5)
        let text = registry.render()
        let hits = """
            # HELP hits_total How often.\\nNot \\\\ more.
            # TYPE hits_total counter
            hits_total{a="1"} 1
            hits_total{a="2"} 1

            """
        #expect(text.contains(hits))
        let page = try Page(text)
        #expect(page.kinds["batch_size"] == "histogram")
        #expect(page.kinds["last"] == "gauge")
        #expect(page.samples["last"] == 2.5)
        #expect(page.samples[#"batch_size_bucket{le="4"}"#] == 1)
    }

    @Test(
        "names and labels are made fit",
        arguments: [
            ("http.server.requests", "a\"b", #"http_server_requests_total{k_1="a\"b"} 1"#),
            ("9lives", "back\\slash", #"_9lives_total{k_1="back\\slash"} 1"#),
            ("done_total", "two\nlines", #"done_total{k_1="two\nlines"} 1"#),
            ("größe", "größe", #"gr__e_total{k_1="größe"} 1"#),
        ])
    func escaping(label: String, value: String, line: String) {
        let registry = PrometheusRegistry()
        Counter(label: label, dimensions: [("k-1", value)], factory: registry).increment()
        #expect(registry.render().split(separator: "\n").contains(Substring(line)))
    }

    @Test("the same dimensions in another order are the same series") func orderOfDimensions() throws {
        let registry = PrometheusRegistry()
        Counter(label: "a", dimensions: [("x", "1"), ("y", "2")], factory: registry).increment()
        Counter(label: "a", dimensions: [("y", "2"), ("x", "1")], factory: registry).increment()
        #expect(try Page(registry.render()).samples[#"a_total{x="1",y="2"}"#] == 2)
    }

    @Test("series beyond the bound are dropped and counted, and one destroyed makes room") func bounded() throws {
        let registry = PrometheusRegistry(seriesMax: 2)
        let counters = (0..<4).map { Counter(label: "a", dimensions: [("n", "\($0)")], factory: registry) }
        for counter in counters { counter.increment() }
        #expect(try Page(registry.render()).samples["sojourn_metrics_dropped_total"] == 2)
        counters[0].destroy()
        Counter(label: "b", dimensions: [], factory: registry).increment(by: 7)
        let samples = try Page(registry.render()).samples
        #expect(samples[#"a_total{n="0"}"#] == nil)
        #expect(samples[#"a_total{n="1"}"#] == 1)
        #expect(samples["b_total"] == 7)
    }

    @Test("one name for two types keeps the first and drops the second") func typesCollide() throws {
        let registry = PrometheusRegistry()
        Meter(label: "a_total", factory: registry).set(3)
        Counter(label: "a", dimensions: [], factory: registry).increment()
        let page = try Page(registry.render())
        #expect(page.kinds["a_total"] == "gauge")
        #expect(page.samples["a_total"] == 3)
        #expect(page.samples["sojourn_metrics_dropped_total"] == 1)
    }

    @Test("what is no number has a name", arguments: [(Double.infinity, "+Inf"), (-.infinity, "-Inf"), (.nan, "NaN")])
    func numbers(number: Double, text: String) {
        #expect(PrometheusText.number(number) == text)
    }
}

/// A page in the text format, read back.
private struct Page {
    /// The types by family.
    var kinds: [String: String] = [:]
    /// The numbers by name and labels, spelled as on the page.
    var samples: [String: Double] = [:]

    /// Reads a page; every line is a header, or a sample that stands once.
    init(_ text: String) throws {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE ") {
                #expect(kinds.updateValue(String(words[3]), forKey: String(words[2])) == nil, "\(line)")
            } else if !line.hasPrefix("# HELP ") {
                let number = try #require(words.last.flatMap { Double($0) }, "\(line)")
                let name = words.dropLast().joined(separator: " ")
                #expect(samples.updateValue(number, forKey: name) == nil, "\(line)")
            }
        }
    }
}
