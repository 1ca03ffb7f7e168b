# SPDX-License-Identifier: Apache-2.0
"""The running server keeps its own OpenAPI document: validated, then schemathesis with all checks.

CONTRACT_EXAMPLES is the least number of cases of a run: 5,000 in the soak, fewer in the tests. CONTRACT_SEED is the
seed that they are drawn by. The exceptions stand in schemathesis.toml and contract_hooks.py, each with its reason.
"""

import json
import os
import subprocess
import sys
import unittest
from pathlib import Path

from openapi_spec_validator import validate

from sojourn import Server

HERE = Path(__file__).resolve().parent
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "600"))
SEED = os.environ.get("CONTRACT_SEED", "1")
ITEMS = 19


class ContractTest(unittest.TestCase):
    def test_the_document_is_openapi(self):
        with Server() as server:
            document = server.call("GET", "/openapi.json").json
            self.assertTrue(document["openapi"].startswith("3.1"))
            validate(document)

    def test_schemathesis_finds_no_breach(self):
        with Server() as server:
            items = [{"id": number, "name": f"item {number}"} for number in range(1, ITEMS + 1)]
            self.assertEqual(server.call("PUT", "/v1/items", items, token=server.key()).status, 200)
            document = server.call("GET", "/openapi.json").json
            # The document's own route is not tried: it was called to begin with.
            operations = sum(len(path) for name, path in document["paths"].items() if name != "/openapi.json")
            base = f"http://127.0.0.1:{server.port}"
            environment = {
                **os.environ, "SOJOURN_BASE": base, "SOJOURN_KEY": server.key(), "SOJOURN_ITEMS": str(ITEMS),
                "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "contract_hooks"}
            report = server.folder / "contract.json"
            done = subprocess.run(
                ["schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{base}/openapi.json",
                 "--continue-on-failure", "--no-color",
                 "--max-examples", str(max(5, -(-EXAMPLES // operations))), "--seed", SEED,
                 "--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "20",
                 "--warnings", "off", "--report", "json", "--report-json-path", report],
                cwd=server.folder, env=environment, capture_output=True, text=True)
            print(done.stdout[-1500:], file=sys.stderr)
            self.assertEqual(done.returncode, 0, done.stdout[-12000:] + done.stderr[-2000:])
            run = json.loads(report.read_text())
            self.assertTrue(run["complete"])
            self.assertEqual(run["operations"]["tested"], operations)
            checked = run["test_cases"]["generated"] - run["test_cases"]["without_checks"]
            self.assertGreaterEqual(checked, EXAMPLES)
            log = [json.loads(line) for line in server.log().split("\n") if line]
            self.assertTrue(log)
            self.assertEqual([line for line in log if line["level"] in {"error", "critical"}], [])


if __name__ == "__main__":
    unittest.main()
