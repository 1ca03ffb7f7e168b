# SPDX-License-Identifier: Apache-2.0
"""Law 2 and law 10 on the running server: garbage opens nothing and makes nothing, and no token stands anywhere."""

import base64
import os
import random
import sqlite3
import unittest

from sojourn import Server

GETS = ["/", "/healthz", "/readyz", "/openapi.json", "/v1/session", "/v1/session?include=items", "/v1/session/verify",
        "/v1/session/items", "/v1/session/conversations", "/v1/session/interactions", "/v1/session/recommendations",
        "/v1/session/feedback", "/v1/session/others", "/v1/items", "/v1/items?prefix=k", "/metrics",
        "/v1/sessions/0193b5a0-0000-7000-8000-000000000000", "/v1/users/nobody/sessions", "/v1/admin/session-stats"]
REQUESTS = int(os.environ.get("COOKIELESS_REQUESTS", "2000"))


def garbage(count):
    """Tokens that we never issued: empty, short, long, foreign characters, right form but unknown."""
    chance = random.Random(7)
    fixed = ["", "x", "a" * 42, "a" * 44, "a" * 5000, "=" * 43, "%00" * 14 + "a", "null", "undefined", "sjk", "Bearer",
             "../../etc/passwd", "' OR 1=1 --", "A" * 42 + "B"]
    for text in fixed:
        yield text
    for _ in range(count - len(fixed)):
        yield base64.urlsafe_b64encode(chance.randbytes(32)).rstrip(b"=").decode()


class SecretsTest(unittest.TestCase):
    def rows(self, server):
        with sqlite3.connect(f"file:{server.database}?mode=ro", uri=True) as db:
            tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            return {table: db.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in tables}

    def test_requests_without_a_cookie_make_no_row(self):
        with Server() as server:
            before = self.rows(server)
            connection = server.connect()
            for number in range(REQUESTS):
                answer = server.call("GET", GETS[number % len(GETS)], connection=connection)
                self.assertLess(answer.status, 500)
                self.assertNotIn("Set-Cookie", answer.headers)
            connection.close()
            self.assertEqual(self.rows(server), before)

    def test_a_thousand_garbage_tokens_are_401_and_store_nothing(self):
        with Server() as server:
            before = self.rows(server)
            connection = server.connect()
            for number, text in enumerate(garbage(1000)):
                headers = {"token": text} if number % 2 else {"Cookie": f"session={text}"}
                answer = server.call("GET", "/v1/session", connection=connection, **headers)
                self.assertEqual(answer.status, 401, text)
            connection.close()
            self.assertEqual(self.rows(server), before)

    def test_no_issued_secret_stands_anywhere(self):
        with Server(LOG_LEVEL="trace", ACCESS_LOG="all") as server:
            key = server.key()
            tokens = []
            for number in range(20):
                created = server.create(type="web")
                tokens.append(created["token"])
                server.call("GET", "/v1/session", token=created["token"])
                server.call("GET", "/v1/session", Cookie=f"session={created['token']}")
                rotated = server.call("POST", "/v1/session/rotate", token=created["token"])
                self.assertEqual(rotated.status, 200)
                tokens.append(rotated.json["token"])
                bound = server.call(
                    "PUT", f"/v1/sessions/{created['session_id']}/user", {"user_id": f"u{number}"}, token=key)
                self.assertEqual(bound.status, 200)
                tokens.append(bound.json["token"])
                server.call("POST", "/v1/sessions", '{"type": "web", "metadata": nonsense}', token=tokens[-1])
            metrics = server.call("GET", "/metrics", token=key).body
            log = server.log()
            self.assertIn("/v1/session", log)
            kept = b"".join(path.read_bytes() for path in server.data.iterdir() if path.name != "service.key")
            for token in tokens:
                secret = base64.urlsafe_b64decode(token + "=")[16:]
                for place, content in [("log", log.encode()), ("metrics", metrics), ("data", kept)]:
                    self.assertNotIn(token.encode(), content, f"a token stands in the {place}")
                    self.assertNotIn(token[22:].encode(), content, f"half a token stands in the {place}")
                    self.assertNotIn(secret, content, f"a secret stands in the {place}")
                    self.assertNotIn(secret.hex().encode(), content, f"a secret stands in the {place}")
            for place, content in [("log", log.encode()), ("metrics", metrics), ("data", kept)]:
                self.assertNotIn(key.encode(), content, f"the service key stands in the {place}")
            self.assertEqual(os.stat(server.data / "service.key").st_mode & 0o777, 0o600)
            self.assertEqual(os.stat(server.database).st_mode & 0o777, 0o600)


if __name__ == "__main__":
    unittest.main()
