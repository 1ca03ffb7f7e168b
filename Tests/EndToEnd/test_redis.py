# SPDX-License-Identifier: Apache-2.0
"""Servers on Redis alone, and with Redis before a database. script/with-redis and script/with-postgres start both."""

import os
import subprocess
import time
import unittest
import uuid
from urllib.parse import urlsplit

from sojourn import Server
from test_postgres import KEY, URL, sql

REDIS = os.environ.get("SOJOURN_TEST_REDIS")
PATIENCE = 30


def redis(*words):
    """What redis-cli prints."""
    port = str(urlsplit(REDIS).port)
    return subprocess.run(["redis-cli", "-p", port, *words], capture_output=True, text=True, check=True, timeout=30).stdout


@unittest.skipUnless(REDIS, "needs Redis: run by script/test")
class RedisTest(unittest.TestCase):
    def server(self, **environment):
        return self.enterContext(
            Server(
                SESSION_DB_TYPE="redis", REDIS_URL=REDIS, REDIS_PREFIX=self.prefix, SOJOURN_SERVICE_KEY=KEY, **environment))

    def setUp(self):
        self.prefix = "e2e:" + uuid.uuid4().hex

    def test_two_servers_are_one_service(self):
        one, two = self.server(), self.server()
        self.assertEqual(one.call("PUT", "/v1/items", [{"id": 1, "name": "kimchi"}], token=KEY).json["added"], 1)
        session = one.create(type="chat", metadata={"lang": "ko"})
        token = session["token"]
        self.assertEqual(two.call("GET", "/v1/session", token=token).json["request_count"], 1)
        self.assertEqual(two.call("POST", "/v1/session/items", {"ids": [1]}, token=token).json["added"], [1])
        self.assertEqual(one.call("GET", "/v1/session?include=items", token=token).json["items"][0]["name"], "kimchi")
        refused = one.call("POST", "/v1/session/conversations", {"input_text": "hello"}, token=token)
        self.assertEqual(refused.status, 501)
        self.assertIn(b"not_available_on_this_store", refused.body)
        self.assertEqual(one.call("DELETE", "/v1/session", token=token).status, 204)
        self.assertEqual(two.call("GET", "/v1/session", token=token).status, 401)
        self.assertEqual(two.call("GET", "/readyz").status, 200)
        for dump in [redis("--scan", "--pattern", f"{self.prefix}*"), one.log(), two.log()]:
            self.assertNotIn(token, dump)

    def test_commands_work_beside_it(self):
        server = self.server()
        session = server.create(type="web")
        self.assertIn(session["session_id"], server.command("sessions", "list").stdout)
        self.assertIn("1", server.command("stats").stdout)
        self.assertIn("persistence", server.command("check", check=False).stdout)
        server.command("sessions", "end", session["session_id"])
        self.assertEqual(server.call("GET", "/v1/session", token=session["token"]).status, 401)

    def test_a_redis_that_is_not_there_is_named(self):
        server = Server(SESSION_DB_TYPE="redis", REDIS_URL="redis://:geheim@127.0.0.1:1", SOJOURN_SERVICE_KEY=KEY)
        with self.assertRaises(AssertionError) as raised:
            server.start()
        self.assertIn("Redis cannot be reached", str(raised.exception))
        self.assertNotIn("geheim", str(raised.exception))


@unittest.skipUnless(REDIS and URL, "needs Redis and PostgreSQL: run by script/test")
class TieredTest(unittest.TestCase):
    def setUp(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        self.database = URL.rsplit("/", 1)[0] + "/" + name
        self.environment = {
            "SESSION_DB_TYPE": "tiered", "REDIS_URL": REDIS, "REDIS_PREFIX": name, "DATABASE_URL": self.database,
            "SOJOURN_SERVICE_KEY": KEY}

    def servers(self, count=2, **environment):
        return [self.enterContext(Server(**self.environment, **environment)) for _ in range(count)]

    def validate(self, server, token):
        self.count += 1
        answer = server.call("GET", "/v1/session", token=token)
        self.assertEqual(answer.status, 200)
        return answer.headers["Sojourn-Source"]

    def warm(self, server, token):
        deadline = time.monotonic() + PATIENCE
        while self.validate(server, token) != "cache":
            self.assertLess(time.monotonic(), deadline, "no copy ever answered")

    def test_copies_answer_and_ends_are_final(self):
        one, two = self.servers()
        self.count = 0
        session = one.create(type="web")
        token = session["token"]
        self.warm(one, token)
        self.warm(two, token)
        redis("FLUSHALL")
        self.warm(two, token)
        self.assertEqual(one.call("DELETE", "/v1/session", token=token).status, 204)
        self.assertEqual(two.call("GET", "/v1/session", token=token).status, 401)
        answers = [server.call("GET", "/v1/admin/cache", token=KEY).json for server in (one, two)]
        for cache in answers:
            self.assertEqual(cache["phase"], "first")
            self.assertGreater(cache["answers"]["cache"], 0)
        self.assertEqual(sum(cache["answers"]["cache"] + cache["answers"]["database"] for cache in answers), self.count + 1)
        for server in (one, two):
            server.stop()
        counted = sql(
            self.database, f"SELECT request_count FROM sojourn.session_master WHERE session_id = '{session['session_id']}'")
        self.assertEqual(int(counted), self.count)

    def test_an_end_in_sql_is_heard_of(self):
        (server,) = self.servers(1)
        self.count = 0
        session = server.create(type="web")
        self.warm(server, session["token"])
        sql(self.database, f"SELECT sojourn.end_session('{session['session_id']}')")
        deadline = time.monotonic() + PATIENCE
        while server.call("GET", "/v1/session", token=session["token"]).status != 401:
            self.assertLess(time.monotonic(), deadline, "a session ended in SQL answers on")

    def test_without_redis_the_database_answers(self):
        server = self.enterContext(Server(**{**self.environment, "REDIS_URL": "redis://127.0.0.1:1"}))
        self.count = 0
        session = server.create(type="web")
        self.assertEqual(self.validate(server, session["token"]), "database")
        self.assertEqual(server.call("DELETE", "/v1/session", token=session["token"]).status, 204)
        self.assertEqual(server.call("GET", "/v1/session", token=session["token"]).status, 401)


if __name__ == "__main__":
    unittest.main()
