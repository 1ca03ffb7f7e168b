# SPDX-License-Identifier: Apache-2.0
"""The running server keeps its own OpenAPI document: validated, then schemathesis with all checks, over SQLite, and what that
store does not do over PostgreSQL.

CONTRACT_EXAMPLES is the least number of cases of a run: 5,000 in the soak, fewer in the tests. CONTRACT_SEED is the
seed that they are drawn by. The exceptions stand in schemathesis.toml and contract_hooks.py, each with its reason.
"""

import json
import os
import subprocess
import sys
import unittest
import uuid
from pathlib import Path

from openapi_spec_validator import validate

from sojourn import Server
from test_postgres import KEY, URL, sql

HERE = Path(__file__).resolve().parent
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "600"))
SEED = os.environ.get("CONTRACT_SEED", "1")
ITEMS = 19
KNOWN = "contract"  # a user and a product that there are
LETTERS = 30


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
            self.run_schemathesis(server, server.key(), operations, EXAMPLES)

    @unittest.skipUnless(URL, "needs PostgreSQL: run by script/test")
    def test_schemathesis_finds_no_breach_on_postgresql(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        with Server(DATABASE_URL=URL.rsplit("/", 1)[0] + "/" + name, SOJOURN_SERVICE_KEY=KEY) as server:
            for path, row in [("/v1/users", {"user_id": KNOWN, "name": "Mina"}),
                              ("/v1/products", {"product_id": KNOWN, "name": "Tofu", "price": 1})]:
                self.assertEqual(server.call("POST", path, row, token=KEY).status, 201)
            # Every other order can be written.
            sql(server.environment["DATABASE_URL"], f"""
                INSERT INTO sojourn.dead_letters (
                    consumer_group, topic, partition, message_offset, message_value, reason, content)
                SELECT 'g', 'orders', 0, n, convert_to(CASE n % 2 WHEN 0 THEN 'no JSON' ELSE jsonb_build_object(
                    'order_id', gen_random_uuid(), 'user_id', '{KNOWN}', 'product_id', '{KNOWN}')::text END, 'UTF8'), 'x', 'orders'
                FROM generate_series(1, {LETTERS}) AS n""")
            self.run_schemathesis(
                server, KEY, 19, EXAMPLES // 4, "--include-path-regex",
                r"^/v1/((users|products|orders)(/\{id\})?|admin/dead-letters.*)$")

    def run_schemathesis(self, server, key, operations, examples, *arguments):
        """Tries so many operations with at least so many cases."""
        base = f"http://127.0.0.1:{server.port}"
        environment = {
            **os.environ, "SOJOURN_BASE": base, "SOJOURN_KEY": key, "SOJOURN_ITEMS": str(ITEMS),
            "SOJOURN_KNOWN": KNOWN, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "contract_hooks"}
        report = server.folder / "contract.json"
        done = subprocess.run(
            ["schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{base}/openapi.json",
             "--continue-on-failure", "--no-color",
             "--max-examples", str(max(5, -(-examples // operations))), "--seed", SEED,
             "--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "20",
             "--warnings", "off", "--report", "json", "--report-json-path", report, *arguments],
            cwd=server.folder, env=environment, capture_output=True, text=True)
        print(done.stdout[-1500:], file=sys.stderr)
        self.assertEqual(done.returncode, 0, done.stdout[-12000:] + done.stderr[-2000:])
        run = json.loads(report.read_text())
        self.assertTrue(run["complete"])
        self.assertEqual(run["operations"]["tested"], operations)
        checked = run["test_cases"]["generated"] - run["test_cases"]["without_checks"]
        self.assertGreaterEqual(checked, examples)
        log = [json.loads(line) for line in server.log().split("\n") if line]
        self.assertTrue(log)
        self.assertEqual([line for line in log if line["level"] in {"error", "critical"}], [])


if __name__ == "__main__":
    unittest.main()
