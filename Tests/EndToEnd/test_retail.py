# SPDX-License-Identifier: Apache-2.0
"""Users, products and orders over PostgreSQL: by HTTP, by the commands, as CSV, and made up."""

import csv
import json
import os
import unittest
import uuid

from sojourn import Server
from test_postgres import KEY, URL, sql


@unittest.skipUnless(URL, "needs PostgreSQL: run by script/test")
class RetailTest(unittest.TestCase):
    def setUp(self):
        self.database = self.fresh()
        self.server = self.serve(self.database)

    def fresh(self):
        name = "e2e_" + uuid.uuid4().hex
        sql(URL, f"CREATE DATABASE {name}")
        return URL.rsplit("/", 1)[0] + "/" + name

    def serve(self, database, **environment):
        return self.enterContext(Server(DATABASE_URL=database, SOJOURN_SERVICE_KEY=KEY, **environment))

    def call(self, method, path, body=None, status=200, **headers):
        answer = self.server.call(method, path, body, token=KEY, **headers)
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def stock(self):
        """A user and a product to order."""
        self.call("POST", "/v1/users", {
            "user_id": "mina", "name": "김민아", "gender": "F", "age": 27, "address": "서울특별시 강남구 테헤란로 1"}, 201)
        self.call("POST", "/v1/products", {
            "product_id": "tofu", "name": "두부", "category": "채소", "price": 1500, "org_price": 2000}, 201)

    def test_users_products_and_orders_live(self):
        begun = self.server.call("POST", "/v1/sessions", {"user_id": "mina"}, token=KEY).json
        self.assertIsNone(self.call("GET", "/v1/users/mina")["name"])
        self.stock()
        user = self.call("GET", "/v1/users/mina")
        self.assertEqual((user["age_group"], user["region"], user["version"]), ("20대", "서울특별시", 2))
        self.assertNotIn("address", user)
        self.assertFalse([name for name in user if "epoch" in name])
        self.assertEqual(self.call("GET", "/v1/products/tofu")["discount_rate"], 25)

        order = {"order_id": str(uuid.uuid4()), "user_id": "mina", "product_id": "tofu", "quantity": 2}
        placed = self.call("POST", "/v1/orders", order, 201)
        self.assertEqual((placed["total_amount"], placed["category"], placed["user_age_group"]), (3000, "채소", "20대"))
        self.assertEqual(self.call("POST", "/v1/orders", order), placed)
        other = self.call("POST", "/v1/orders", {**order, "quantity": 3}, 409)
        self.assertEqual((other["code"], other["field"]), ("already_exists", "order_id"))
        unknown = self.call("POST", "/v1/orders", {**order, "order_id": None, "product_id": "ham"}, 422)
        self.assertEqual(unknown["field"], "product_id")
        paid = self.call("PATCH", f"/v1/orders/{order['order_id']}", {"status": "paid", "payment_method": "card"})
        self.assertEqual(paid, {**placed, "status": "paid", "payment_method": "card"})
        refused = self.call("PATCH", f"/v1/orders/{order['order_id']}", {"quantity": 9}, 422)
        self.assertEqual(refused["field"], "quantity")

        changed = self.call("PATCH", "/v1/users/mina", {"age": 31, "region": None})
        self.assertEqual((changed["age_group"], changed["region"], changed["name"]), ("30대", None, "김민아"))
        self.assertEqual(self.call("PATCH", "/v1/users/mina", {"name": None}, 422)["field"], "name")
        self.call("PATCH", "/v1/users/nobody", {"age": 1}, 404)
        self.call("DELETE", "/v1/products/tofu", status=204)
        self.call("DELETE", "/v1/products/tofu", status=404)
        self.assertEqual(self.call("GET", "/v1/orders?user_id=mina")["items"], [{**paid, "product_id": None}])
        receipt = self.call("DELETE", "/v1/users/mina")
        self.assertEqual((receipt["sessions"], receipt["orders"]), (1, 1))
        self.assertEqual(self.server.call("GET", "/v1/session", token=begun["token"]).status, 401)
        self.call("GET", "/v1/users/mina", status=404)
        self.assertEqual(
            self.call("GET", f"/v1/orders/{order['order_id']}"), {**paid, "product_id": None, "user_id": None})
        self.call("DELETE", f"/v1/orders/{order['order_id']}", status=204)
        self.assertEqual(self.call("GET", "/v1/orders")["items"], [])

    def test_an_array_answers_for_each_element(self):
        self.stock()
        results = self.call("POST", "/v1/users", [{"user_id": "mina", "name": "x"}, {"name": "Bo", "age": 9}])["results"]
        self.assertEqual((results[0]["user"], results[0]["error"]["status"]), (None, 409))
        self.assertEqual((results[1]["user"]["age_group"], results[1]["error"]), ("10세 미만", None))
        broken = self.call("POST", "/v1/users", [{"name": "Al"}, {"name": "Bo", "age": -1}], 422)
        self.assertEqual(broken["field"], "[1].age")
        both = self.call("POST", "/v1/users", {"name": "Al", "address": "서울", "region": "서울"}, 422)
        self.assertEqual(both["field"], "region")
        self.assertEqual(len(self.call("GET", "/v1/users")["items"]), 2)
        good = {"order_id": str(uuid.uuid4()), "user_id": "mina", "product_id": "tofu"}
        orders = [good, good, {**good, "order_id": None, "user_id": "nobody"}]
        results = self.call("POST", "/v1/orders", orders)["results"]
        self.assertEqual([result["already_present"] for result in results], [False, True, False])
        self.assertEqual(results[2]["error"]["field"], "user_id")
        products = self.call("POST", "/v1/products", [{"name": "Ham", "price": 5}, {"product_id": "tofu", "name": "x", "price": 1}])
        self.assertEqual([result["error"] is None for result in products["results"]], [True, False])

    def test_an_export_has_the_user_and_the_orders(self):
        self.stock()
        self.call("POST", "/v1/sessions", {"user_id": "mina"}, 201)
        ids = [str(uuid.uuid4()) for _ in range(230)]
        self.call("POST", "/v1/orders", [{"order_id": id, "user_id": "mina", "product_id": "tofu"} for id in ids])
        self.call("POST", "/v1/users", {"user_id": "other", "name": "Bo"}, 201)
        self.call("POST", "/v1/orders", {"user_id": "other", "product_id": "tofu"}, 201)

        def export(user):
            answer = self.server.call("GET", f"/v1/users/{user}/export", token=KEY)
            self.assertEqual(answer.status, 200)
            return [json.loads(line) for line in answer.body.decode().splitlines()]

        lines = export("mina")
        self.assertEqual([line["kind"] for line in lines], ["user", "session"] + ["order"] * 230)
        self.assertEqual(lines[0], {"kind": "user", "user": self.call("GET", "/v1/users/mina")})
        self.assertEqual({line["order"]["order_id"] for line in lines[2:]}, set(ids))
        self.assertEqual(lines[2]["order"], self.call("GET", f"/v1/orders/{lines[2]['order']['order_id']}"))
        self.assertEqual([line["kind"] for line in export("other")], ["user", "order"])
        self.assertEqual(export("nobody"), [])

    def test_only_service_keys_may_and_other_stores_say_so(self):
        token = self.server.create()["token"]
        self.assertEqual(self.server.call("GET", "/v1/users").status, 401)
        self.assertEqual(self.server.call("GET", "/v1/orders", token=token).status, 403)
        with Server() as other:
            answer = other.call("GET", "/v1/products", token=other.key())
            self.assertEqual((answer.status, answer.json["code"]), (501, "not_available_on_this_store"))
            done = other.command("users", "list", check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn("PostgreSQL", done.stderr)

    def test_commands_do_what_http_does(self):
        server = self.serve(self.database, RETAIL_LOCALE="en")
        made = json.loads(server.command(
            "users", "create", "user_id=al", "name=Al Bo", "age=42", "address=1 Main St, Austin, TX 78701, USA",
            "--json").stdout)
        self.assertEqual((made["age_group"], made["region"]), ("40s", "TX"))
        self.assertIn("en", server.command("check").stdout.split("RETAIL_LOCALE")[1].split("\n")[0])
        server.command("products", "create", "product_id=tofu", "name=두부", "price=100")
        order = json.loads(server.command("orders", "create", "user_id=al", "product_id=tofu", "quantity=3", "--json").stdout)
        self.assertEqual(order["total_amount"], 300)
        self.assertRegex(server.command("users", "show", "al").stdout, r"age_group +40s")
        self.assertRegex(server.command("users", "update", "al", "region=", "age=51").stdout, r"region +-")
        self.assertIn("두부", server.command("products").stdout)
        listed = json.loads(server.command("orders", "list", "--user", "al", "--json").stdout)["items"]
        self.assertEqual([row["order_id"] for row in listed], [order["order_id"]])
        self.assertEqual(json.loads(server.command("users", "delete", "al", "--json").stdout)["orders"], 1)
        for words, said in [
            (["users", "show", "al"], "no such user"), (["users", "create", "name=x", "age=old"], "age"),
            (["users", "create", "name"], "FIELD=VALUE"), (["orders", "create", "user_id=x", "product_id=tofu"], "user_id"),
            (["orders", "show", "x"], "UUID"), (["users", "list", "--user", "x"], "--user"),
        ]:
            done = server.command(*words, check=False)
            self.assertNotEqual(done.returncode, 0, words)
            self.assertIn(said, done.stderr, words)

    def test_what_is_exported_can_be_imported_and_changes_nothing(self):
        self.server.command("seed", "--users", "1200", "--products", "50", "--orders", "300", "--seed", "7")
        self.call("PATCH", "/v1/users/user-000001", {"name": 'Kim, "Mina"'})
        self.server.call("POST", "/v1/sessions", {"user_id": "stub"}, token=KEY)
        second = self.fresh()
        copy = self.serve(second)
        for kind, rows in [("users", 1200), ("products", 50), ("orders", 300)]:
            file = self.server.folder / f"{kind}.csv"
            self.assertIn(f"{rows:,}", self.server.command(kind, "export", file).stdout)
            with open(file, newline="") as lines:
                self.assertEqual(len(list(csv.DictReader(lines))), rows)
            same = json.loads(self.server.command(kind, "import", file, "--json").stdout)
            self.assertEqual(same, {"added": 0, "updated": 0, "unchanged": rows, "detached": 0})
            added = copy.command(kind, "import", file, "--json")
            self.assertEqual(json.loads(added.stdout)["added"], rows)
            self.assertIn(f"import {kind}", added.stderr)
            again = copy.folder / f"{kind}.csv"
            copy.command(kind, "export", again)
            self.assertEqual(again.read_bytes(), file.read_bytes())
            self.assertIn("already", copy.command(kind, "export", again, check=False).stderr)

    def test_a_file_at_fault_is_told_by_line_and_field(self):
        self.stock()
        file = self.server.folder / "bad.csv"

        def told(kind, text):
            file.write_text(text)
            done = self.server.command(kind, "import", file, check=False)
            self.assertEqual(done.returncode, 1, done.stdout)
            return done.stderr

        said = told("users", '\ufeffuser_id,name,age\na,"A\nB",1\nb,,2\nc,C,old\n')
        self.assertIn("line 2: name", said)
        self.assertIn("line 5: age", said)
        self.assertIn("of 3 rows 3 are at fault", said)
        self.assertIn("line 4: name", said)
        self.assertIn("line 2", told("users", "user_id,name\na\n"))
        self.assertIn("adress", told("users", "user_id,name,adress\na,A,x\n"))
        self.assertIn("user_id", told("users", "name\nA\n"))
        self.assertIn("quotation mark", told("users", 'user_id,name\na,"A\n'))
        self.assertEqual(len(self.call("GET", "/v1/users")["items"]), 1)
        ids = [str(uuid.uuid4()) for _ in range(3)]
        orders = "order_id,user_id,product_id\n" + "".join(
            f"{id},{user},tofu\n" for id, user in zip(ids, ["mina", "nobody", "mina"]))
        said = told("orders", orders)
        self.assertIn("line 3: user_id", said)
        self.assertIn("2 rows were taken", said)
        self.assertEqual(len(self.call("GET", "/v1/orders")["items"]), 2)
        file.write_text(f"order_id,user_id,product_id\n{ids[1]},,tofu\n")
        done = json.loads(self.server.command("orders", "import", file, "--json").stdout)
        self.assertEqual((done["added"], done["detached"]), (0, 1))

    def test_the_same_seed_makes_the_same_rows(self):
        counts = ["--users", "700", "--products", "60", "--orders", "1500", "--seed", "42"]
        done = self.server.command("seed", *counts, "--json")
        self.assertEqual(json.loads(done.stdout), {"users": 700, "products": 60, "orders": 1500})
        self.assertIn("seed orders", done.stderr)
        rows = self.rows(self.database)
        self.assertEqual(
            json.loads(self.server.command("seed", *counts, "--json").stdout), {"users": 0, "products": 0, "orders": 0})
        self.assertEqual(self.rows(self.database), rows)
        second, third = self.fresh(), self.fresh()
        self.serve(second, BATCH_MAX="77").command("seed", *counts)
        self.assertEqual(self.rows(second), rows)
        self.serve(third).command("seed", *counts[:-1], "43")
        self.assertNotEqual(self.rows(third), rows)
        self.assertEqual(sql(self.database, """
            SELECT count(*) FROM sojourn.orders AS o
            JOIN sojourn.users AS u USING (user_id) JOIN sojourn.products AS p USING (product_id)
            WHERE (o.category, o.user_region, o.user_gender, o.user_age_group, o.total_amount)
                = (p.category, u.region, u.gender, u.age_group, p.price * o.quantity - o.discount_amount + o.shipping_cost)
            """), "1500")

    def rows(self, database):
        # Since when a row waits to be cached is no part of it.
        return [sql(database, f"SELECT to_jsonb(t) - 'waiting_since' FROM sojourn.{table} AS t ORDER BY 1")
                for table in ("users", "products", "orders")]


if __name__ == "__main__":
    unittest.main()
