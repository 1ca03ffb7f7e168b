# SPDX-License-Identifier: Apache-2.0
"""Orders through Kafka into PostgreSQL, by the commands, over the mock cluster of librdkafka in a process of its own."""

import json
import os
import re
import signal
import subprocess
import time
import unittest
import uuid

from sojourn import BINARY, Server
from test_postgres import KEY, URL, sql
from test_redis import PATIENCE, REDIS

MOCK = BINARY.parent / "MockKafka"


class Cluster:
    """Three brokers with the topic of orders, until the end."""

    def __enter__(self):
        self.process = subprocess.Popen(
            [MOCK, "3", "orders=9", "orders.dead-letters=1", "journal=9"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.brokers = self.process.stdout.readline().strip()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@unittest.skipUnless(URL, "needs PostgreSQL: run by script/test")
class PipelineTest(unittest.TestCase):
    def setUp(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        self.database = URL.rsplit("/", 1)[0] + "/" + name
        self.cluster = self.enterContext(Cluster())
        self.environment = {
            **os.environ, "DATABASE_URL": self.database, "KAFKA_BROKERS": self.cluster.brokers, "LOG_LEVEL": "error"}

    def command(self, *words, code=0):
        done = subprocess.run(
            [BINARY, *words], env=self.environment, capture_output=True, text=True, timeout=240, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def count(self, what):
        return int(sql(self.database, f"SELECT count(*) FROM sojourn.{what}"))

    def test_every_order_is_written_once_though_consumers_are_killed(self):
        self.command("seed", "--users", "30", "--products", "20")
        made = json.loads(self.command("produce", "orders", "--count", "3000", "--json").stdout)
        self.assertEqual(made, {"delivered": 3000})
        gone = sql(self.database, "SELECT min(user_id) FROM sojourn.users").strip()
        row = sql(self.database, f"DELETE FROM sojourn.users WHERE user_id = '{gone}' RETURNING name").splitlines()[0]

        stats = json.loads(self.command("stats", "--json").stdout)["pipeline"]
        self.assertEqual(sum(one["lag"] for one in stats["partitions"]), 3000)
        self.assertEqual((stats["group"], stats["lag"], stats["partitions"][0]["topic"]), ("sojourn", 3000, "orders"))
        for _ in range(2):
            consumer = subprocess.Popen(
                [BINARY, "consume", "--workers", "2"], env=self.environment, stderr=subprocess.DEVNULL)
            before = self.count("orders")
            while self.count("orders") == before and self.count("orders") < 2000:
                time.sleep(0.05)
            consumer.send_signal(signal.SIGKILL)
            consumer.wait()
        done = self.command("consume", "--workers", "3", "--exit-when-caught-up")
        self.assertIn("messages", done.stderr)
        self.assertNotIn(" info ", done.stderr, "LOG_LEVEL counts")

        letters = json.loads(self.command("dead-letters", "list", "--limit", "500", "--json").stdout)["items"]
        self.assertEqual(self.count("orders") + len(letters), 3000)
        self.assertGreater(len(letters), 0)
        self.assertTrue(all(letter["reason"].startswith("user_id:") and letter["key"] == gone for letter in letters))
        self.assertIn("user_id", self.command("dead-letters").stdout)
        stats = json.loads(self.command("stats", "--json").stdout)["pipeline"]
        self.assertEqual((len(stats["partitions"]), stats["open_dead_letters"]), (9, len(letters)))
        self.assertTrue(all(one["lag"] == 0 for one in stats["partitions"]))
        self.assertIn("open dead letters", self.command("stats").stdout)
        shown = json.loads(self.command("dead-letters", "show", str(letters[0]["letter_id"])).stdout)
        self.assertEqual(json.loads(shown["value"])["user_id"], gone)

        first = str(letters[0]["letter_id"])
        self.assertIn("user_id", self.command("dead-letters", "retry", first, code=2).stderr)
        self.assertIn("1 dropped", self.command("dead-letters", "drop", first).stdout)
        sql(self.database, f"INSERT INTO sojourn.users (user_id, name) VALUES ('{gone}', '{row}')")
        self.assertIn("written", self.command("dead-letters", "retry", "--all").stdout)
        self.assertEqual(self.count("orders"), 2999)

        # Read again from the beginning: all is there but what was dropped.
        self.command("consume", "--workers", "2", "--exit-when-caught-up", "--rewind", "beginning")
        self.assertEqual(self.count("orders"), 3000)
        places = sql(self.database, "SELECT sum(next_offset) FROM sojourn.pipeline_positions")
        self.assertEqual(int(places), 3000)

    def serve(self, **environment):
        return self.enterContext(Server(DATABASE_URL=self.database, SOJOURN_SERVICE_KEY=KEY, **environment))

    def ask(self, server, method, path, status=200):
        answer = server.call(method, "/v1/admin/" + path, token=KEY)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def gauges(self, server):
        """The lag by partition, and the open dead letters, as /metrics has them."""
        text = server.call("GET", "/metrics", token=KEY).body.decode()
        lags = re.findall(r'^sojourn_pipeline_lag\{partition="(\d)",topic="orders"\} (\d+)$', text, re.MULTILINE)
        letters = re.search(r"^sojourn_dead_letters_open (\d+)$", text, re.MULTILINE)
        return {int(number): int(lag) for number, lag in lags}, letters and int(letters[1])

    def wait(self, holds, patience=PATIENCE):
        deadline = time.monotonic() + patience
        while not holds():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_the_server_shows_how_far_the_pipeline_is_and_settles_dead_letters(self):
        self.command("seed", "--users", "30", "--products", "20")
        self.command("produce", "orders", "--count", "600")
        gone = sql(self.database, "SELECT min(user_id) FROM sojourn.users").strip()
        sql(self.database, f"DELETE FROM sojourn.users WHERE user_id = '{gone}'")
        server = self.serve(KAFKA_BROKERS=self.cluster.brokers)
        self.wait(lambda: sum(self.gauges(server)[0].values()) == 600)  # by the server itself
        before = self.ask(server, "GET", "pipeline")
        self.assertEqual((before["group"], before["lag"], before["open_dead_letters"]), ("sojourn", 600, 0))
        self.assertEqual([one["partition"] for one in before["partitions"]], list(range(9)))
        self.assertTrue(all(
            (one["topic"], one["position"], one["lag"]) == ("orders", 0, one["end"]) for one in before["partitions"]))
        self.command("consume", "--workers", "2", "--exit-when-caught-up")
        after = self.ask(server, "GET", "pipeline")
        self.assertEqual((after["lag"], len(after["partitions"])), (0, 9))
        self.assertGreater(after["open_dead_letters"], 2)
        self.assertEqual(after["open_dead_letters"] + self.count("orders"), 600)
        self.assertEqual(self.gauges(server), ({number: 0 for number in range(9)}, after["open_dead_letters"]))

        letters = self.ask(server, "GET", "dead-letters?limit=500")["items"]
        self.assertEqual(len(letters), after["open_dead_letters"])
        first, second = letters[0], letters[1]
        self.assertEqual(self.ask(server, "GET", f"dead-letters/{first['letter_id']}"), first)
        self.assertEqual((first["key"], first["state"], first["topic"]), (gone, "open", "orders"))
        refused = self.ask(server, "POST", f"dead-letters/{first['letter_id']}/retry", 422)
        self.assertEqual(refused["code"], "letter_refused")
        self.assertIn("user_id", refused["detail"])
        self.assertEqual(self.ask(server, "POST", f"dead-letters/{second['letter_id']}/drop")["state"], "dropped")
        sql(self.database, f"INSERT INTO sojourn.users (user_id, name) VALUES ('{gone}', 'Mina')")
        written = self.ask(server, "POST", f"dead-letters/{first['letter_id']}/retry")
        self.assertEqual((written["state"], written["settled_at"] is None), ("retried", False))
        order = server.call("GET", f"/v1/orders/{json.loads(first['value'])['order_id']}", token=KEY).json
        self.assertEqual(order["user_id"], gone)
        again = self.ask(server, "POST", f"dead-letters/{first['letter_id']}/drop", 409)
        self.assertEqual(again["code"], "already_finished")
        self.ask(server, "POST", "dead-letters/999999/drop", 404)
        settled = self.ask(server, "GET", "dead-letters?state=all&limit=2")
        self.assertEqual([one["state"] for one in settled["items"]], ["retried", "dropped"])
        self.assertIsNotNone(settled["next"])
        self.assertEqual(self.ask(server, "GET", "pipeline")["open_dead_letters"], len(letters) - 2)
        self.assertEqual(self.gauges(server)[1], len(letters) - 2)

        self.assertEqual([self.cluster.tell(f"down {broker}") for broker in (1, 2, 3)], ["ok"] * 3)
        away = self.ask(server, "GET", "pipeline", 503)
        self.assertEqual(away["code"], "store_unavailable")
        self.assertIn("KAFKA_BROKERS", away["detail"])
        self.ask(server, "GET", "dead-letters")
        for broker in (1, 2, 3):
            self.cluster.tell(f"up {broker}")
        self.wait(lambda: server.call("GET", "/v1/admin/pipeline", token=KEY).status == 200)
        self.assertEqual(server.stop(), 0)

    def test_an_outage_of_the_brokers_is_logged_once_and_holds_nothing_up(self):
        server = self.serve(KAFKA_BROKERS="127.0.0.1:1")
        failures = re.compile(r"^sojourn_pipeline_watch_failures_total [2-9]$", re.MULTILINE)
        self.wait(lambda: failures.search(server.call("GET", "/metrics", token=KEY).body.decode()), 4 * PATIENCE)
        self.assertEqual(server.log().count("how far the pipeline is cannot be seen"), 1, server.log())
        self.assertNotIn("Connect to", server.log(), "librdkafka's own words")
        self.assertEqual(self.gauges(server), ({}, None))
        self.assertEqual(self.ask(server, "GET", "pipeline", 503)["code"], "store_unavailable")
        self.assertEqual(server.call("GET", "/readyz").status, 200)
        self.assertEqual(server.stop(), 0)

    @unittest.skipUnless(REDIS, "needs Redis: run by script/test")
    def test_dead_letters_need_no_kafka_and_stand_behind_a_tier(self):
        server = self.serve(SESSION_DB_TYPE="tiered", REDIS_URL=REDIS, REDIS_PREFIX="e2e:" + uuid.uuid4().hex)
        sql(self.database, """
            INSERT INTO sojourn.dead_letters (
                consumer_group, topic, partition, message_offset, message_value, reason, content)
            VALUES ('g', 'orders', 0, 7, 'no order', 'x', 'orders')""")
        (letter,) = self.ask(server, "GET", "dead-letters")["items"]
        self.assertEqual((letter["offset"], letter["value"], letter["key"]), (7, "no order", None))
        path = f"dead-letters/{letter['letter_id']}"
        self.assertIn("JSON", self.ask(server, "POST", f"{path}/retry", 422)["detail"])
        order = r'{"order_id": "00000000-0000-7000-8000-000000000001", "user_id": "u", "product_id": "p", "\u001b[2J": 1}'
        sql(self.database, f"UPDATE sojourn.dead_letters SET message_value = convert_to('{order}', 'UTF8')")
        retried = server.command("dead-letters", "retry", str(letter["letter_id"]), check=False)
        self.assertEqual(retried.returncode, 2)
        self.assertIn("\\u001b", retried.stderr)
        self.assertNotIn("\x1b", retried.stderr)
        sql(self.database, "UPDATE sojourn.dead_letters SET message_value = 'no order'")
        self.assertIn("no order", server.command("dead-letters", "show", str(letter["letter_id"])).stdout)
        self.assertEqual(self.ask(server, "POST", f"{path}/drop")["state"], "dropped")
        without = self.ask(server, "GET", "pipeline", 501)
        self.assertEqual(without["code"], "not_available_on_this_store")
        self.assertIn("KAFKA_BROKERS", without["detail"])
        self.assertNotIn("sojourn_dead_letters_open", server.call("GET", "/metrics", token=KEY).body.decode())
        with Server() as other:
            done = other.command("dead-letters", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("PostgreSQL", done.stderr)

    def test_an_interrupted_producer_delivers_what_it_made(self):
        self.command("seed", "--users", "5", "--products", "5")
        producer = subprocess.Popen(
            [BINARY, "produce", "orders", "--rate", "500", "--json"], env=self.environment, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        lag = 0
        while lag == 0:
            stats = json.loads(self.command("stats", "--json").stdout)["pipeline"]
            lag = sum(one["lag"] for one in stats["partitions"])
        producer.send_signal(signal.SIGINT)
        said, complaint = producer.communicate(timeout=120)
        self.assertEqual(producer.returncode, 0, complaint)
        stats = json.loads(self.command("stats", "--json").stdout)["pipeline"]
        self.assertEqual(sum(one["lag"] for one in stats["partitions"]), json.loads(said)["delivered"])

    def test_entries_of_the_journal_are_kept_by_kafka_and_written_by_a_consumer(self):
        self.environment["JOURNAL_MODE"] = "kafka"
        server = self.enterContext(
            Server(DATABASE_URL=self.database, SOJOURN_SERVICE_KEY=KEY, KAFKA_BROKERS=self.cluster.brokers,
                   JOURNAL_MODE="kafka"))
        stays, goes = (server.create()["token"] for _ in range(2))
        path = "/v1/session/conversations"
        made = [server.call("POST", path, {"input_text": f"turn {number}"}, stays) for number in range(20)]
        self.assertEqual({answer.status for answer in made}, {202}, made)
        places = [f"/v1/journal/{answer.json['id']}" for answer in made]
        self.assertEqual(made[0].headers["Location"], places[0])
        self.assertEqual(server.call("GET", places[0], token=stays).status, 404)
        self.assertEqual(server.call("POST", path, {"input_text": "lost"}, goes).status, 202)
        # What wants to know its number is written at once.
        direct = server.call("POST", path, {"input_text": "now", "expected_seq": 0}, stays)
        self.assertEqual((direct.status, direct.json["seq"]), (201, 1))
        session = server.call("GET", "/v1/session", token=goes).json["session_id"]
        self.assertEqual(server.call("DELETE", f"/v1/sessions/{session}", token=KEY).status, 204)

        self.command("consume", "--workers", "2", "--exit-when-caught-up")
        found = [server.call("GET", place, token=stays).json["entry"] for place in places]
        self.assertEqual([(one["input_text"], one["seq"]) for one in found],
                         [(f"turn {number}", number + 2) for number in range(20)])
        stats = json.loads(self.command("stats", "--json").stdout)["pipeline"]
        self.assertEqual((stats["dropped"], stats["open_dead_letters"]), (1, 0))

        # Kafka is gone: the database takes them, and whoever asks is answered the same.
        self.cluster.__exit__()
        answer = server.call("POST", path, {"input_text": "without Kafka"}, stays)
        self.assertEqual(answer.status, 202)
        entry = server.call("GET", f"/v1/journal/{answer.json['id']}", token=stays).json["entry"]
        self.assertEqual((entry["input_text"], entry["seq"]), ("without Kafka", 22))

    def test_what_is_missing_is_named(self):
        self.command("init")
        self.environment["KAFKA_BROKERS"] = ""
        self.assertIn("KAFKA_BROKERS", self.command("consume", code=1).stderr)
        self.environment["KAFKA_BROKERS"] = "nowhere"
        self.assertIn("host:port", self.command("consume", code=1).stderr)
        self.environment["KAFKA_BROKERS"] = self.cluster.brokers
        self.assertIn("sojourn seed", self.command("produce", "orders", "--count", "1", code=1).stderr)
        self.environment["DATABASE_URL"] = "sqlite:/nowhere/x.db"
        self.assertIn("PostgreSQL", self.command("consume", code=1).stderr)
        self.command("consume", "--workers", "0", code=64)
        self.environment["JOURNAL_MODE"] = "kafka"
        self.assertIn("JOURNAL_MODE", self.command("stats", code=1).stderr)
        self.command("consume", "--rewind", "yesterday", code=64)


if __name__ == "__main__":
    unittest.main()
