# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load: every acknowledged create, item, append and end is there after the restart, and nothing that was
acknowledged as ended validates. KILL_ROUNDS rounds on one database: 2 in the tests, 20 in the soak."""

import os
import random
import signal
import sys
import threading
import time
import unittest

from sojourn import Server

ROUNDS = int(os.environ.get("KILL_ROUNDS", "2"))
CALLERS = 8


class Caller(threading.Thread):
    """Works until the server is gone, and keeps what was acknowledged."""

    def __init__(self, server, seed):
        super().__init__(daemon=True)
        self.server = server
        self.random = random.Random(seed)
        self.created = []   # (id, token) acknowledged
        self.items = []     # (id, token, item)
        self.turns = []     # (id, token, entry id)
        self.ended = []     # (id, token) acknowledged as ended
        self.ending = set()  # ids whose end was asked for, acknowledged or not
        self.odd = []

    def run(self):
        connection = self.server.connect()
        try:
            while True:
                self.step(connection)
        except OSError:
            pass  # the server was killed
        except Exception as error:  # a half answer of the killed server is no answer
            if self.server.process.poll() is None:
                self.odd.append(repr(error))
        finally:
            connection.close()

    def step(self, connection):
        live = [pair for pair in self.created if pair[0] not in self.ending]
        roll = self.random.random()
        if not live or roll < 0.3:
            answer = self.server.call("POST", "/v1/sessions", {"type": "web"}, connection=connection)
            self.keep(answer, 201) and self.created.append((answer.json["session_id"], answer.json["token"]))
            return
        session, token = self.random.choice(live)
        if roll < 0.5:
            item = self.random.randint(1, 50)
            answer = self.server.call(
                "POST", "/v1/session/items", {"ids": [item]}, token=token, connection=connection)
            self.keep(answer, 200) and self.items.append((session, token, item))
        elif roll < 0.75:
            answer = self.server.call(
                "POST", "/v1/session/conversations", {"input_text": "안녕"}, token=token, connection=connection)
            self.keep(answer, 201) and self.turns.append((session, token, answer.json["id"]))
        elif roll < 0.9:
            answer = self.server.call("GET", "/v1/session", token=token, connection=connection)
            self.keep(answer, 200)
        else:
            self.ending.add(session)
            answer = self.server.call("DELETE", "/v1/session", token=token, connection=connection)
            self.keep(answer, 204) and self.ended.append((session, token))

    def keep(self, answer, expected):
        if answer.status != expected:
            self.odd.append(f"expected {expected}, got {answer}")
        return answer.status == expected


class KillTest(unittest.TestCase):
    def test_nothing_acknowledged_is_lost(self):
        server = Server()
        try:
            server.start()
            catalogue = [{"id": number, "name": f"item {number}"} for number in range(1, 51)]
            self.assertEqual(server.call("PUT", "/v1/items", catalogue, token=server.key()).status, 200)
            total = 0
            for number in range(ROUNDS):
                callers = [Caller(server, number * CALLERS + index) for index in range(CALLERS)]
                for caller in callers:
                    caller.start()
                time.sleep(random.Random(number).uniform(0.5, 1.5))
                server.stop(signal.SIGKILL)
                for caller in callers:
                    caller.join(20)
                server.start()
                for caller in callers:
                    self.assertEqual(caller.odd, [])
                    total += self.check(server, caller)
                print(f"kill -9 {number + 1} of {ROUNDS}: {total} acknowledged writes there", file=sys.stderr)
            self.assertGreater(total, 50 * ROUNDS)
        finally:
            server.__exit__()

    def check(self, server, caller):
        key = server.key()
        connection = server.connect()

        def call(method, path, token, **headers):
            return server.call(method, path, token=token, connection=connection, **headers)

        for session, token in caller.created:
            if session not in caller.ending:
                self.assertEqual(call("GET", "/v1/session", token).status, 200, f"{session} was created and is gone")
        for session, token in caller.ended:
            self.assertEqual(call("GET", "/v1/session", token).status, 401, f"{session} was ended and validates")
            self.assertEqual(call("GET", f"/v1/sessions/{session}", key).json["status"], "ended")
        for session, token, item in caller.items:
            if session not in caller.ending:
                held = [row["id"] for row in call("GET", "/v1/session/items", token).json["items"]]
                self.assertIn(item, held)
        for session, token, turn in caller.turns:
            if session not in caller.ending:
                turns = [row["id"] for row in call("GET", "/v1/session/conversations?limit=500", token).json["items"]]
                self.assertIn(turn, turns)
        connection.close()
        return len(caller.created) + len(caller.items) + len(caller.turns) + len(caller.ended)


if __name__ == "__main__":
    unittest.main()
