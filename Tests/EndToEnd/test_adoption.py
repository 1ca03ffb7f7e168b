# SPDX-License-Identifier: Apache-2.0
"""`sojourn adopt` on a database whose chats have loose session ids. script/with-postgres starts the database."""

import json
import signal
import subprocess
import time
import unittest
import uuid

from sojourn import BINARY, Server
from test_postgres import KEY, URL, sql

TABLE = "chatbot.conversations"
ADOPT = ("adopt", "conversations", "--from", TABLE)


@unittest.skipUnless(URL, "needs PostgreSQL: run by script/test")
class AdoptionTest(unittest.TestCase):
    def setUp(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        self.database = URL.rsplit("/", 1)[0] + "/" + name
        sql(self.database, f"CREATE SCHEMA chatbot; CREATE TABLE {TABLE} ("
            "id bigserial PRIMARY KEY, session_id uuid, user_id bigint, conversation_time timestamp, input_text text, "
            "response_text text, extra jsonb)")
        sql(self.database, f"INSERT INTO {TABLE} (session_id, user_id, conversation_time, input_text) "
            "SELECT md5(n::text)::uuid, n % 7, timezone('UTC', now()) - n * interval '1 minute', '안녕' "
            "FROM generate_series(1, 200) AS n, generate_series(1, 3)")
        self.server = Server(DATABASE_URL=self.database, SOJOURN_SERVICE_KEY=KEY)
        self.addCleanup(self.server.__exit__)

    def test_interrupted_resumed_and_used(self):
        self.assertIn("sojourn init", self.server.command(*ADOPT, check=False).stderr)
        self.server.command("init")
        counted = json.loads(self.server.command(*ADOPT, "--dry-run", "--json").stdout)
        self.assertEqual((counted["rows"], counted["session_ids"], counted["sessions_to_begin"]), (600, 200, 200))
        self.assertEqual(counted["without_index"], [TABLE])
        self.assertEqual((counted["session_type"], counted["kept_days"]), ("chat", 30))
        told = self.server.command(*ADOPT, "--dry-run").stdout
        self.assertIn("session ids", told)
        self.assertIn("chat sessions, and their rows here, are deleted 30 days after their end (RETENTION_DAYS)", told)
        self.assertEqual(sql(self.database, "SELECT count(*) FROM sojourn.session_master"), "0")

        # A session in the middle that somebody is just beginning: the adoption waits for it, and is interrupted there.
        middle = sql(self.database, f"SELECT DISTINCT session_id FROM {TABLE} ORDER BY 1 OFFSET 100 LIMIT 1")
        with subprocess.Popen(["psql", "-qX", self.database], stdin=subprocess.PIPE, text=True) as other:
            other.stdin.write(f"BEGIN; INSERT INTO sojourn.session_master (session_id) VALUES ('{middle}');\n")
            other.stdin.flush()
            self.wait_until("state = 'idle in transaction'")
            run = subprocess.Popen(
                [BINARY, *ADOPT, "--batch", "10"], cwd=self.server.folder, env=self.server.environment,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.wait_until("wait_event = 'transactionid'")
            run.send_signal(signal.SIGINT)
            run.wait(30)
            other.stdin.write("ROLLBACK;\n")
            other.stdin.close()
        (adoption,) = json.loads(self.server.command("adopt", "--status", "--json").stdout)["adoptions"]
        self.assertEqual((adoption["state"], adoption["session_ids_seen"]), ("filling", 100))

        done = self.server.command(*ADOPT, "--batch", "10")
        self.assertRegex(done.stdout, r"(?s)is adopted: 200 sessions were.*refused.*start_session.*deleted 30 days after")
        self.assertRegex(done.stderr, r"adopt: 110 of 200\n(?s:.*)validating the foreign key of chatbot\.conversations")
        self.assertIn("adopted already", self.server.command(*ADOPT).stdout)
        self.assertRegex(self.server.command("adopt", "--status").stdout, r"chatbot\.conversations +conversations +adopted")

        # What was adopted is sessions like any other.
        with self.server as server:
            shown = server.call("GET", f"/v1/sessions/{middle}", token=KEY).json
            self.assertEqual((shown["type"], shown["status"]), ("chat", "active"))
            self.assertEqual(shown["metadata"], {"adopted_from": TABLE})
            checked = json.loads(server.command("check", "--json").stdout)
            self.assertIn(
                {"check": f"orphans in {TABLE}.session_id", "good": True, "detail": "0"}, checked["findings"])
            self.assertTrue(checked["good"])
            self.assertEqual(server.call("DELETE", "/v1/users/3", token=KEY).status, 200)
        self.assertEqual(sql(self.database, f"SELECT count(*) FROM {TABLE} WHERE user_id = 3"), "0")

    def test_what_stands_in_the_way_is_said(self):
        self.server.command("init")
        sql(self.database, f"UPDATE {TABLE} SET conversation_time = '2020-01-01' WHERE session_id = md5('1')::uuid")
        refused = self.server.command(*ADOPT, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr, r"(?s)would have ended so long ago.*RETENTION_DAYS.*--allow-deletion")
        self.assertEqual(sql(self.database, "SELECT count(*) FROM sojourn.adoptions"), "0")
        self.server.environment["RETENTION_DAYS"] = "never"
        sql(self.database, f"UPDATE {TABLE} SET user_id = 99 WHERE id = 2")
        done = self.server.command(*ADOPT, "--type", "voice", "--json")
        self.assertIn("warning: several users wrote under one session id, in 1 case", done.stderr)
        adopted = json.loads(done.stdout)
        self.assertEqual((adopted["state"], adopted["session_type"], adopted["kept_days"]), ("adopted", "voice", None))
        sql(self.database, "CREATE TABLE rated (session_id uuid, created_at timestamptz);"
            "INSERT INTO rated VALUES (gen_random_uuid(), now())")
        self.server.environment["RETENTION_DAYS"] = "1"
        done = self.server.command("adopt", "feedback", "--from", "rated")
        self.assertIn("is adopted: 1 session was begun", done.stdout)
        self.assertIn("web sessions, and their rows here, are deleted 1 day after their end", done.stdout)
        for words, code, told in [
            (["adopt", "conversations", "--from", "nowhere"], 1, "no table nowhere"),
            (["adopt", "feedback", "--from", TABLE], 1, "created_at"),
            (["adopt", "conversations"], 64, "--from"),
            (["adopt", "--status", "--dry-run"], 64, "--status alone"),
            ([*ADOPT, "--batch", "0"], 64, "--batch"),
        ]:
            done = self.server.command(*words, check=False)
            self.assertEqual(done.returncode, code, (words, done.stderr))
            self.assertIn(told, done.stderr)
        self.server.environment["DATABASE_URL"] = "sqlite:./sojourn.db"
        self.assertIn("is for PostgreSQL", self.server.command(*ADOPT, check=False).stderr)

    def wait_until(self, condition):
        """Waits for a connection to the test's database of which this is true."""
        deadline = time.monotonic() + 60
        while sql(self.database, "SELECT count(*) FROM pg_stat_activity "
                  f"WHERE datname = current_database() AND {condition}") == "0":
            self.assertLess(time.monotonic(), deadline, condition)


if __name__ == "__main__":
    unittest.main()
