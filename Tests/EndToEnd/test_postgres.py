# SPDX-License-Identifier: Apache-2.0
"""Two servers on one PostgreSQL database, and SQL beside them. script/with-postgres starts the database."""

import json
import os
import re
import subprocess
import time
import unittest
import uuid
from contextlib import contextmanager
from urllib.parse import quote

from sojourn import BINARY, Server

URL = os.environ.get("SOJOURN_TEST_POSTGRES")
KEY = "sjk_" + "e" * 43


def sql(database, text):
    """What psql prints for `text`."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", database, "-c", text], capture_output=True, text=True,
        timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def leading(database):
    """Leads the keepers of the database's partitions, so that the servers' own leave them alone meanwhile."""
    with subprocess.Popen(["psql", "--no-psqlrc", "-qAt", database], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as psql:
        answer, begin = "", "BEGIN; "
        while answer != "t\n":
            psql.stdin.write(f"{begin}SELECT sojourn.lead_partitions();\n")
            psql.stdin.flush()
            answer, begin = psql.stdout.readline(), ""
            assert answer in ("t\n", "f\n"), answer
        yield


@unittest.skipUnless(URL, "needs PostgreSQL: run by script/test")
class PostgresTest(unittest.TestCase):
    def setUp(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        self.database = URL.rsplit("/", 1)[0] + "/" + name

    def servers(self, count=2, **environment):
        """So many servers on the test's database, stopped with the test."""
        return [
            self.enterContext(Server(DATABASE_URL=self.database, SOJOURN_SERVICE_KEY=KEY, **environment))
            for _ in range(count)]

    def test_two_servers_are_one_service(self):
        one, two = self.servers()
        session = one.create(type="chat", metadata={"lang": "ko"})
        token = session["token"]
        self.assertEqual(two.call("GET", "/v1/session", token=token).json["request_count"], 1)
        self.assertEqual(one.call("GET", "/v1/session", token=token).json["request_count"], 2)

        items = [{"id": 1, "name": "Kimchi", "category": "vegetable"}, {"id": 2, "name": "두부"}]
        self.assertEqual(one.call("PUT", "/v1/items", items, token=KEY).json, {"added": 2, "updated": 0})
        added = two.call("POST", "/v1/session/items", {"ids": [1, 2]}, token=token)
        self.assertEqual(added.json, {"added": [1, 2], "already_present": []})
        unknown = two.call("POST", "/v1/session/items", {"ids": [1, 99]}, token=token)
        self.assertEqual(unknown.status, 422)
        held = one.call("GET", "/v1/session?include=items", token=token).json
        self.assertEqual({item["name"] for item in held["items"]}, {"Kimchi", "두부"})

        rotated = two.call("POST", "/v1/session/rotate", token=token).json["token"]
        self.assertEqual(one.call("GET", "/v1/session", token=rotated).status, 200)
        bound = one.call("PUT", f"/v1/sessions/{session['session_id']}/user", {"user_id": "alice"}, token=KEY).json
        for dead in (token, rotated):
            self.assertEqual(two.call("GET", "/v1/session", token=dead).status, 401)
        self.assertEqual(two.call("DELETE", "/v1/users/alice/sessions", token=KEY).json, {"ended": 1})
        self.assertEqual(one.call("GET", "/v1/session", token=bound["token"]).status, 401)

    def test_a_conversation_goes_on_at_another_server(self):
        one, two = self.servers(2)
        begun = one.call("POST", "/v1/sessions", {"type": "chat", "user_id": "mina"}, token=KEY).json
        path, mine = "/v1/session/conversations", {"token": KEY, "X_Session_Token": begun["token"]}
        turn = {"input_text": "냉장고에 김치가 있어요", "expected_seq": 0}
        written = [one.call("POST", path, turn, Idempotency_Key="turn-1", **mine) for _ in range(2)]
        self.assertEqual([answer.status for answer in written], [201, 201])
        self.assertEqual(written[0].json, written[1].json)
        behind = two.call("POST", path, {"input_text": "late", "expected_seq": 0}, **mine)
        self.assertEqual((behind.status, behind.json["current_seq"]), (409, 1))
        answer = {"response_text": "김치찌개를 끓이세요"}
        finished = two.call("PATCH", f"{path}/{written[0].json['id']}", answer, **mine)
        self.assertEqual(finished.json["response_text"], answer["response_text"])
        old = two.call("POST", path, {"input_text": "old", "conversation_time": "2024-02-29T12:00:00.000Z"}, **mine)
        self.assertEqual((old.status, old.json["seq"]), (201, 2))
        listed = one.call("GET", path, token=begun["token"]).json["items"]
        self.assertEqual([row["seq"] for row in listed], [1, 2])
        found = two.call("GET", f"{path}?q={quote('찌개')}", token=begun["token"]).json["items"]
        self.assertEqual([row["seq"] for row in found], [1])
        lines = two.call("GET", "/v1/users/mina/export", token=KEY).body.decode().splitlines()
        self.assertEqual([json.loads(line)["kind"] for line in lines], ["user", "session", "entry", "entry"])
        receipt = two.call("DELETE", "/v1/users/mina", token=KEY).json
        self.assertEqual((receipt["sessions"], receipt["conversations"]), (1, 2))
        self.assertEqual(sql(self.database, "SELECT count(*) FROM sojourn.conversations"), "0")

    def test_sql_and_http_see_the_same_sessions(self):
        (server,) = self.servers(1)
        begun = sql(self.database, "SELECT sojourn.start_session('bob', 'voice', '{\"a\": 1}')")
        shown = server.call("GET", f"/v1/sessions/{begun}", token=KEY).json
        self.assertEqual((shown["user_id"], shown["type"], shown["metadata"]), ("bob", "voice", {"a": 1}))
        issued = server.call("POST", f"/v1/sessions/{begun}/token", token=KEY)
        self.assertEqual(issued.status, 201)
        token = issued.json["token"]
        self.assertEqual(server.call("GET", "/v1/session", token=token).status, 200)
        self.assertEqual(sql(self.database, f"SELECT sojourn.end_session('{begun}')"), "t")
        self.assertEqual(server.call("GET", "/v1/session", token=token).status, 401)
        why = server.call("GET", f"/v1/sessions/{begun}/events", token=KEY).json
        self.assertEqual([(fact["kind"], fact["actor"]) for fact in why["items"]],
                         [("ended", "sql"), ("rotated", "service"), ("created", "sql")])

    def test_no_token_is_stored_or_logged(self):
        (server,) = self.servers(1, LOG_LEVEL="trace", ACCESS_LOG="all")
        tokens = [server.create()["token"] for _ in range(20)]
        tokens += [server.call("POST", "/v1/session/rotate", token=token).json["token"] for token in tokens]
        dump = subprocess.run(["pg_dump", self.database], capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertIn("secret_digest", dump)
        metrics = server.call("GET", "/metrics", token=KEY).body.decode()
        for secret in [*tokens, KEY]:
            for place in (dump, server.log(), metrics):
                self.assertNotIn(secret, place)
        self.assertIn("postgres_connections", metrics)

    def test_commands_work_beside_the_servers(self):
        (server,) = self.servers(1)
        session = server.create()
        stats = json.loads(server.command("stats", "--json").stdout)
        self.assertEqual(stats["active_sessions"], 1)
        self.assertTrue(json.loads(server.command("check", "--json").stdout)["good"])
        server.environment.pop("SOJOURN_SERVICE_KEY")
        found = json.loads(server.command("check", "--json", check=False).stdout)["findings"]
        self.assertEqual([finding["check"] for finding in found if not finding["good"]], ["service key"])
        self.assertIn("clock", [finding["check"] for finding in found])
        server.command("sessions", "end", session["session_id"])
        self.assertEqual(server.call("GET", "/v1/session", token=session["token"]).status, 401)
        self.assertIn("deleted", server.command("cleanup").stdout)
        self.assertIn("pg_dump", server.command("backup", "copy", check=False).stderr)
        server.command("init", "--search-path")
        self.assertRegex(sql(self.database, "SELECT start_session()"), r"^[0-9a-f-]{36}$")

    def test_months_are_made_shown_and_retired(self):
        (server,) = self.servers(1)

        def partitions(*words, code=0):
            done = server.command("partitions", *words, check=False)
            self.assertEqual(done.returncode, code, (words, done.stdout, done.stderr))
            return done.stdout + done.stderr

        def states():
            shown = server.call("GET", "/v1/admin/partitions", token=KEY)
            self.assertEqual(shown.status, 200, shown)
            self.assertEqual(shown.json["items"], json.loads(partitions("status", "--json"))["items"])
            return {item["month"]: item["state"] for item in shown.json["items"]}

        self.assertEqual(server.call("GET", "/v1/admin/partitions").status, 401)
        self.assertEqual(list(states().values()), ["attached"] * 4)
        self.assertIn("Nothing to do", partitions("plan"))
        self.assertIn("conversations_", partitions())
        gauge = re.search(r"^sojourn_partition_seconds_ahead (\d+)", server.call(
            "GET", "/metrics", token=KEY).body.decode(), re.MULTILINE)
        self.assertGreater(int(gauge[1]), 80 * 86400)

        months = sorted(states())
        with leading(self.database):
            for month in months:
                sql(self.database, f"DROP TABLE sojourn.conversations_{month.replace('-', '_')}")
            missing = server.call("GET", "/readyz")
            self.assertEqual((missing.status, missing.json["code"]), (503, "partitions_missing"))
            partitions("status", code=2)
            self.assertIn("partitions apply", server.command("check", check=False).stdout)
            plan = partitions("plan")
            self.assertRegex(plan, rf"create +{months[0]} +conversations SHARE UPDATE EXCLUSIVE")
            self.assertRegex(plan, r"session_master SHARE ROW EXCLUSIVE +writers wait")
            applied = partitions("apply")
            for month in months:
                self.assertIn(f"create {month}  done", applied)
            self.assertIn("partitions: 4 of 4", applied)
            self.assertEqual(server.call("GET", "/readyz").status, 200)

        sql(self.database, "SELECT sojourn.add_month('2020-01-01'), sojourn.add_month('2020-02-01')")
        self.assertIn("detach 2020-01  done", partitions("retire", "2020-01"))
        self.assertEqual(states()["2020-01"], "kept")
        dropped = [json.loads(line) for line in server.command(
            "partitions", "retire", "2020-01", "--drop", "--json").stdout.splitlines()]
        self.assertEqual([(step["step"], step["outcome"]) for step in dropped], [("empty", "done"), ("drop", "done")])
        self.assertIn("There is no partition", partitions("retire", "2020-01", code=1))
        self.assertIn("not over", partitions("retire", months[0], code=1))
        partitions("retire", "2020-13", code=64)
        self.assertIn("PARTITION_KEEP_MONTHS", partitions("apply", "--keep-months", "0", code=1))
        planned = json.loads(server.command("partitions", "plan", "--keep-months", "12", "--json").stdout)["steps"]
        self.assertEqual([step["step"] for step in planned], ["detach"])
        partitions("apply", "--keep-months", "12")
        self.assertEqual(states(), {"2020-02": "kept", **{month: "attached" for month in months}})

    def test_what_is_wrong_is_said(self):
        server = Server()
        self.addCleanup(server.__exit__)
        dead = "postgresql://nobody@127.0.0.1:1/none"
        for words, environment, told in [
            (["serve"], {"DATABASE_URL": self.database}, r"SOJOURN_SERVICE_KEY"),
            (["stats"], {"DATABASE_URL": self.database}, r"sojourn init"),
            (["stats"], {"DATABASE_URL": dead}, r"cannot be reached"),
            (["partitions", "plan"], {"DATABASE_URL": "sqlite:x.db"}, r"no database at"),
            (["stats"], {"DB_TYPE": "oracle"}, r"DB_TYPE.*local"),
            (["stats"], {"DATABASE_URL": "postgresql://a:s3cret@/x?nonsense=1"}, r"nonsense"),
        ]:
            done = subprocess.run(
                [BINARY, *words], cwd=server.folder, env={**server.environment, **environment}, capture_output=True,
                text=True, timeout=30)
            self.assertEqual(done.returncode, 1, (words, environment))
            self.assertRegex(done.stderr, re.compile(told, re.DOTALL))
            self.assertNotIn("s3cret", done.stderr)

    def test_a_database_that_is_gone_is_503_and_comes_back(self):
        (server,) = self.servers(1)
        token = server.create()["token"]
        name = self.database.rsplit("/", 1)[1]
        sql(URL, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        sql(URL, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        answer = server.call("GET", "/v1/session", token=token)
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("Retry-After", answer.headers)
        self.assertEqual(server.call("GET", "/readyz").status, 503)
        sql(URL, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        deadline = time.monotonic() + 20
        while server.call("GET", "/v1/session", token=token).status != 200:
            self.assertLess(time.monotonic(), deadline, "the server finds its database again")


if __name__ == "__main__":
    unittest.main()
