# SPDX-License-Identifier: Apache-2.0
"""The server's memory while callers wait for the database, and while a client does not read its answers.
WAITING_CALLERS callers: 1,000 in the tests, 10,000 in the soak."""

import os
import resource
import selectors
import socket
import subprocess
import time
import unittest
import uuid

from sojourn import Server
from test_postgres import KEY, URL, sql

CALLERS = int(os.environ.get("WAITING_CALLERS", "1000"))
MEGABYTES_MAX = 150


def megabytes(server, field="VmRSS"):
    with open(f"/proc/{server.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field)) // 1024


@unittest.skipUnless(URL, "needs PostgreSQL: run by script/test")
class MemoryTest(unittest.TestCase):
    def setUp(self):
        wanted = CALLERS + 200
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.assertGreaterEqual(hard, wanted, "this machine allows too few open files")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        self.database = URL.rsplit("/", 1)[0] + "/" + name

    def test_callers_that_wait_for_the_database_are_cheap(self):
        with Server(DATABASE_URL=self.database, SOJOURN_SERVICE_KEY=KEY) as server:
            tokens = [server.create()["token"] for _ in range(100)]
            before = megabytes(server)
            lock = subprocess.Popen(
                ["psql", "--no-psqlrc", "-qAt", self.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            lock.stdin.write("BEGIN; LOCK TABLE sojourn.session_master; SELECT 'locked';\n")
            lock.stdin.flush()
            self.assertEqual(lock.stdout.readline().strip(), "locked")
            began = time.monotonic()
            waiting = selectors.DefaultSelector()
            for number in range(CALLERS):
                caller = socket.create_connection(("127.0.0.1", server.port), timeout=20)
                caller.sendall(
                    b"GET /v1/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n"
                    % tokens[number % 100].encode())
                caller.setblocking(False)
                waiting.register(caller, selectors.EVENT_READ)
            # Nobody may be answered while the table is locked, and the lock ends before anybody's time is up.
            self.assertEqual(waiting.select(0.5), [])
            peak = megabytes(server)
            self.assertLess(time.monotonic() - began, 9, "the callers took too long to connect")
            lock.stdin.write("ROLLBACK;\n")
            lock.stdin.close()
            self.assertEqual(lock.wait(10), 0)
            lock.stdout.close()
            answered = 0
            while answered < CALLERS:
                ready = waiting.select(20)
                self.assertTrue(ready, f"{answered} of {CALLERS} callers were answered")
                for key, _ in ready:
                    self.assertTrue(key.fileobj.recv(65536).startswith(b"HTTP/1.1 200"))
                    waiting.unregister(key.fileobj)
                    key.fileobj.close()
                    answered += 1
            print(f"memory: {before} MB idle, {peak} MB with {CALLERS} callers waiting, peak {megabytes(server, 'VmHWM')} MB")
            self.assertLess(megabytes(server, "VmHWM"), MEGABYTES_MAX)

    def test_a_client_that_does_not_read_does_not_make_the_server_grow(self):
        with Server(DATABASE_URL=self.database, SOJOURN_SERVICE_KEY=KEY) as server:
            token = server.create(metadata={"filler": "x" * 8000})["token"]
            request = b"GET /v1/session HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode()
            server.call("GET", "/v1/session", token=token)
            before = megabytes(server)
            deaf = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
            sent = 0
            for client in deaf:
                client.setblocking(False)
            quiet = 0
            # Until the server takes no more: it holds back what it cannot hand out.
            while quiet < 20:
                progress = 0
                for client in deaf:
                    try:
                        progress += client.send(request * 50)
                    except BlockingIOError:
                        pass
                sent += progress
                quiet = 0 if progress else quiet + 1
                if not progress:
                    time.sleep(0.05)
                self.assertLess(sent, 1 << 30, "the server reads without end")
            after = megabytes(server)
            print(f"memory: {before} MB before, {after} MB with {sent >> 10} KiB of requests whose answers nobody reads")
            self.assertLess(after - before, 60)
            self.assertEqual(server.call("GET", "/v1/session", token=token).status, 200)
            for client in deaf:
                client.close()


if __name__ == "__main__":
    unittest.main()
