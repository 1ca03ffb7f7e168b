# SPDX-License-Identifier: Apache-2.0
"""The commands beside a running server, and what they say when something is wrong."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import unittest

from sojourn import BINARY, Server


class CommandsTest(unittest.TestCase):
    def test_commands_work_beside_the_server(self):
        with Server() as server:
            catalogue = server.folder / "foods.csv"
            catalogue.write_text('\ufeffid,name,category\n1,Kimchi,vegetable\n2,"Tofu, soft",protein\n3,두부,\n')
            self.assertIn("Added 3", server.command("items", "import", str(catalogue)).stdout)
            self.assertIn("unchanged 3", server.command("items", "import", str(catalogue)).stdout)
            self.assertIn("두부", server.command("items", "search", "두").stdout)

            session = server.create(type="chat")
            listed = json.loads(server.command("sessions", "list", "--json").stdout)
            self.assertEqual([row["session_id"] for row in listed["items"]], [session["session_id"]])
            self.assertIn(session["session_id"], server.command("sessions", "list").stdout)
            shown = json.loads(server.command("sessions", "show", session["session_id"], "--json").stdout)
            self.assertEqual(shown["status"], "active")

            self.assertEqual(server.call("GET", "/v1/session", token=session["token"]).status, 200)
            server.command("sessions", "end", session["session_id"])
            deadline = time.monotonic() + 1
            while server.call("GET", "/v1/session", token=session["token"]).status != 401:
                self.assertLess(time.monotonic(), deadline, "the server learns of an end within a second")
            why = server.command("sessions", "why", session["session_id"]).stdout
            self.assertIn("created", why)
            self.assertRegex(why, r"ended +cli")

            stats = json.loads(server.command("stats", "--json").stdout)
            self.assertEqual((stats["active_sessions"], stats["ended_sessions"]), (0, 1))
            self.assertIn("total", server.command("stats").stdout)
            self.assertEqual(json.loads(server.command("cleanup", "--dry-run", "--json").stdout)["deleted"], 0)
            self.assertIn("deleted", server.command("cleanup").stdout)
            self.assertTrue(json.loads(server.command("check", "--json").stdout)["good"])
            self.assertTrue(server.command("key", "show").stdout.startswith("sjk_"))
            for words in [("status",), ("plan",), ("apply",), ("retire", "2020-01")]:
                refused = server.command("partitions", *words, check=False)
                self.assertEqual(refused.returncode, 1)
                self.assertIn("no partitions", refused.stderr)

            copy = server.folder / "copy.db"
            server.command("backup", str(copy))
            with sqlite3.connect(copy) as db:
                self.assertEqual(db.execute("SELECT count(*) FROM session_master").fetchone()[0], 1)
            again = server.command("backup", str(copy), check=False)
            self.assertEqual(again.returncode, 1)

    def test_a_second_server_names_the_first(self):
        with Server() as server:
            second = Server(folder=server.folder, PORT="0")
            done = subprocess.run(
                [BINARY, "serve", "--data", second.data, "--port", "0"], cwd=server.folder,
                env=server.environment, capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(server.process.pid), done.stderr)

    def test_it_stops_cleanly_when_told_to(self):
        with Server() as server:
            session = server.create()
            self.assertEqual(server.stop(signal.SIGTERM), 0)
            server.start()
            self.assertEqual(server.call("GET", "/v1/session", token=session["token"]).status, 200)

    def test_a_client_that_never_ends_its_request_does_not_keep_it_from_stopping(self):
        with Server() as server:
            session = server.create()
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                               b"Content-Length: 100\r\n\r\n{")
                time.sleep(0.2)
                self.assertEqual(server.stop(signal.SIGTERM), 0)
            self.assertIn('"stopped"', server.log())
            server.start()
            self.assertEqual(server.call("GET", "/v1/session", token=session["token"]).status, 200)

    def test_bad_input_is_told_on_standard_error(self):
        with Server() as server:
            bad = server.folder / "bad.csv"
            bad.write_text("id,name,category\n1,Kimchi,\nx,Tofu,\n3,,\n")
            for words, said in [
                (["items", "import", str(bad)], "row 3"),
                (["items", "import", "/nowhere.csv"], "cannot be read"),
                (["sessions", "show", "0193b5a0-0000-7000-8000-000000000000"], "no such session"),
                (["sessions", "show", "nonsense"], "UUID"),
                (["sessions", "list", "--limit", "0"], "limit"),
            ]:
                done = server.command(*words, check=False)
                self.assertNotEqual(done.returncode, 0, words)
                self.assertIn(said, done.stderr, words)
                self.assertEqual(done.stdout, "", words)
            self.assertEqual(json.loads(server.command("items", "search", "--json").stdout)["items"], [])

    def test_an_address_that_cannot_be_listened_on_is_named(self):
        with Server() as server:
            for host, port in [("192.0.2.1", 8080), ("127.0.0.1", server.port)]:
                done = subprocess.run(
                    [BINARY, "serve", "--data", server.folder / "other", "--host", host, "--port", str(port)],
                    cwd=server.folder, env=server.environment, capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{host}:{port}", done.stderr)

    def test_wrong_settings_are_all_named(self):
        with Server() as server:
            environment = {**server.environment, "PORT": "many", "TRUSTED_PROXIES": "10.0.0.0/99", "SESSION_LIFE": "-1"}
            done = subprocess.run(
                [BINARY, "check"], cwd=server.folder, env=environment, capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 1)
            for name in ["PORT", "TRUSTED_PROXIES", "SESSION_LIFE"]:
                self.assertIn(name, done.stderr)

    def test_check_tells_the_settings_before_there_is_a_database(self):
        with Server() as server:
            for words in [["check"], ["check", "--json"]]:
                done = subprocess.run(
                    [BINARY, *words, "--data", server.folder / "empty"], cwd=server.folder, env=server.environment,
                    capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 2, words)
                self.assertIn("CREATE_LIMIT", done.stdout, words)
                self.assertIn("sojourn init", done.stdout, words)
            self.assertFalse((server.folder / "empty").exists())

    def test_what_a_visitor_wrote_moves_no_cursor(self):
        with Server() as server:
            bell = "a\u001b[31mb\u009b2Jc"
            made = server.call("POST", "/v1/sessions", {"user_agent": bell}, token=server.key()).json
            shown = server.command("sessions", "show", made["session_id"]).stdout
            self.assertIn("[31mb", shown)
            self.assertNotRegex(shown, "[\u0000-\u0009\u000b-\u001f\u007f-\u009f]")

    def test_without_a_database_nothing_is_made(self):
        with Server() as server:
            empty = server.folder / "empty"
            done = subprocess.run(
                [BINARY, "stats", "--data", empty], cwd=server.folder, env=server.environment, capture_output=True,
                text=True, timeout=20)
            self.assertEqual(done.returncode, 1)
            self.assertIn("sojourn init", done.stderr)
            self.assertFalse(os.path.exists(empty))


if __name__ == "__main__":
    unittest.main()
