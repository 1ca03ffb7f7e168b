# SPDX-License-Identifier: Apache-2.0
"""Users and products take turns in Redis: by the server, by workers beside it, and by one cycle at a time."""

import json
import re
import signal
import subprocess
import time
import unittest
import uuid

from sojourn import BINARY, Server
from test_postgres import KEY, URL, sql
from test_redis import PATIENCE, REDIS, redis


@unittest.skipUnless(URL and REDIS, "needs PostgreSQL and Redis: run by script/test")
class AgingTest(unittest.TestCase):
    def setUp(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        self.database = URL.rsplit("/", 1)[0] + "/" + name
        self.prefix = "e2e:" + uuid.uuid4().hex

    def serve(self, **environment):
        return self.enterContext(Server(
            DATABASE_URL=self.database, REDIS_URL=REDIS, REDIS_PREFIX=self.prefix, SOJOURN_SERVICE_KEY=KEY, **environment))

    def cached(self, kind):
        return int(redis("HLEN", f"{self.prefix}:{{cache:{kind}}}"))

    def wait(self, holds):
        deadline = time.monotonic() + PATIENCE
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_the_server_caches_and_says_how_it_stands(self):
        server = self.serve(CACHE_INTERVAL="1s")
        server.command("seed", "--users", "1500", "--products", "20")
        self.wait(lambda: self.cached("users") == 1000 and self.cached("products") == 20)
        row = json.loads(redis("HRANDFIELD", f"{self.prefix}:{{cache:users}}", "1", "WITHVALUES").split("\n", 1)[1])
        self.assertEqual(row, server.call("GET", f"/v1/users/{row['user_id']}", token=KEY).json | {
            "last_cached_at": row["last_cached_at"]})
        self.wait(lambda: 'sojourn_aging_never_cached{kind="users"} 0' in server.call("GET", "/metrics", token=KEY).body.decode())
        text = server.call("GET", "/metrics", token=KEY).body.decode()
        self.assertRegex(text, r"sojourn_aging_bound_cycles 3\b")
        for name in ["longest_wait_seconds", "last_cycle_seconds"]:
            self.assertIn(f"sojourn_aging_{name}", text)
        self.assertIn("rows are cached", server.log())
        self.assertRegex(server.command("check").stdout, r"CACHE_INTERVAL +1s +environment")

    def test_one_cycle_and_a_reset(self):
        server = self.serve(CACHE_INTERVAL="off")
        server.command("seed", "--users", "30", "--products", "4")
        done = json.loads(server.command("cache-worker", "--once", "--new", "6", "--old", "4", "--json").stdout)
        self.assertEqual(done, {
            "cycle": 1, "cycles_max": 4, "users": {"new": 10, "old": 0, "never_cached": 20},
            "products": {"new": 4, "old": 0, "never_cached": 0}})
        self.assertIn("within 4 cycles", server.command("cache-worker", "--once", "--new", "6", "--old", "4").stdout)
        self.assertEqual(self.cached("users"), 10)
        self.assertEqual(json.loads(server.command("cache-worker", "--reset", "--json").stdout), {"forgotten": 20})
        self.assertEqual(self.cached("users"), 0)
        for words, said in [(["--once", "--reset"], "not both"), (["--json"], "--json"), (["--new", "0"], "CACHE_NEW")]:
            refused = server.command("cache-worker", *words, check=False)
            self.assertNotEqual(refused.returncode, 0, words)
            self.assertIn(said, refused.stderr)
        with Server() as other:
            self.assertIn("PostgreSQL", other.command("cache-worker", "--once", check=False).stderr)

    def test_a_worker_by_itself_stops_when_told_and_outlives_what_it_cannot_reach(self):
        server = self.serve(CACHE_INTERVAL="off")
        server.command("seed", "--users", "30", "--products", "4")
        lines = server.folder / "worker.log"
        with open(lines, "wb") as log:
            worker = subprocess.Popen(
                [BINARY, "cache-worker", "--interval", "1s", "--data", server.data], cwd=server.folder,
                env=server.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.addCleanup(worker.kill)
        self.wait(lambda: self.cached("users") == 30)
        sql(self.database, """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name LIKE 'sojourn%' AND datname = current_database()""")
        redis("DEL", f"{self.prefix}:{{cache:users}}")
        self.wait(lambda: self.cached("users") == 30)
        worker.send_signal(signal.SIGTERM)
        self.assertEqual(worker.wait(PATIENCE), 0, lines.read_text())
        self.assertTrue(re.search("took_ms", lines.read_text()), lines.read_text())


if __name__ == "__main__":
    unittest.main()
