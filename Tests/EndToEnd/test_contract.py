# SPDX-License-Identifier: Apache-2.0
"""The running server keeps its own OpenAPI document: validated, then schemathesis with all checks.

CONTRACT_EXAMPLES is the number of cases asked of each run in all, roughly: 5,000 in the soak, fewer in the tests.
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


class ContractTest(unittest.TestCase):
    def test_the_document_is_openapi(self):
        with Server() as server:
            document = server.call("GET", "/openapi.json").json
            self.assertTrue(document["openapi"].startswith("3.1"))
            validate(document)

    def test_schemathesis_finds_no_breach(self):
        with Server() as server:
            server.call("PUT", "/v1/items", [{"id": number, "name": f"item {number}"} for number in range(1, 20)],
                        token=server.key())
            document = server.call("GET", "/openapi.json").json
            operations = sum(
                method in {"get", "put", "post", "patch", "delete", "options", "head"}
                for path in document["paths"].values() for method in path)
            base = f"http://127.0.0.1:{server.port}"
            environment = {
                **os.environ, "SOJOURN_BASE": base, "SOJOURN_KEY": server.key(), "PYTHONPATH": str(HERE),
                "SCHEMATHESIS_HOOKS": "contract_hooks"}
            done = subprocess.run(
                ["schemathesis", "run", f"{base}/openapi.json", "--checks", "all", "--continue-on-failure", "--no-color",
                 "--max-examples", str(max(5, EXAMPLES // operations)), "--seed", os.environ.get("CONTRACT_SEED", "1"),
                 "--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "20",
                 "--warnings", "off"],
                cwd=server.folder, env=environment, capture_output=True, text=True)
            print(done.stdout[-1500:], file=sys.stderr)
            self.assertEqual(done.returncode, 0, done.stdout[-12000:] + done.stderr[-2000:])
            self.assertNotIn('"level":"error"', server.log().replace(" ", ""))


if __name__ == "__main__":
    unittest.main()
