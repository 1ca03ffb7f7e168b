# SPDX-License-Identifier: Apache-2.0
"""What schemathesis needs to know beyond the OpenAPI document.

A live session or the service key for each request, and values that exist where a schema can only say how they look.
Those are given only to requests that should be accepted; the ones that should be refused stay as they were drawn.
"""

import itertools
import json
import os
import urllib.request
import uuid
from datetime import datetime, timezone

import schemathesis

BASE = os.environ["SOJOURN_BASE"]
KEY = os.environ["SOJOURN_KEY"]
CATALOGUE = int(os.environ["SOJOURN_ITEMS"])
KNOWN = os.environ["SOJOURN_KNOWN"]
LETTERS = 50  # more than the test has, so that some are not there
TURNS = itertools.count()


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """A fresh session for every case that takes a visitor's token, so that one case's logout is not another's 401.

    Every other such case comes from a service that names the session, and so may give all that a body can hold.
    """

    def get(self, case, context):
        schemes = {name for choice in case.operation.definition.raw.get("security", []) for name in choice}
        if not schemes:
            return None
        if "sessionToken" not in schemes:
            return {"Authorization": f"Bearer {KEY}"}
        request = urllib.request.Request(f"{BASE}/v1/sessions", b"{}", {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            token = json.load(answer)["token"]
        if next(TURNS) % 2 == 0:
            return {"Authorization": f"Bearer {token}"}
        return {"Authorization": f"Bearer {KEY}", "X-Session-Token": token}

    def set(self, case, data, context):
        if data:
            case.headers = case.headers or {}
            case.headers.update(data)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives a request that should be accepted what exists where a schema cannot name it."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        # Cursors are opaque: a well-formed one that the server did not issue is 422.
        case.query.pop("cursor", None)
    named = case.operation.path.startswith(("/v1/users/", "/v1/products/"))
    if case.operation.path.startswith("/v1/admin/dead-letters/"):
        case.path_parameters = {"id": letter_like(case.path_parameters["id"])}
    elif not named and "id" in (case.path_parameters or {}):
        # Users' ids, entries' and sessions' are all called `id` in paths, and so handed from one to another.
        case.path_parameters = {**case.path_parameters, "id": uuid_like(case.path_parameters["id"])}
    operation = case.operation.definition.raw["operationId"]
    if operation == "listUserConversations" and "q" in (case.query or {}):
        # A text too short for the index is sought in a range of time only: one without `from` is 422.
        case.query.setdefault("from", "2026-01-01T00:00:00Z")
    if operation == "searchConversations" and "q" in (case.query or {}):
        # Three characters that compose to fewer are too short a text: 422.
        case.query["q"] = case.query["q"][:190] + "text"
    if operation == "addItems":
        # An id that the catalogue does not have is 422.
        case.body = {**case.body, "ids": [1 + int(number) % CATALOGUE for number in case.body["ids"]]}
    if operation == "removeItems" and not isinstance(case.body, dict):
        # Neither ids nor all=true is 422: what is asked for stands half in the query, half in the body.
        case.query = {**(case.query or {}), "all": "true"}
    if operation in ("eraseUser", "deleteProduct") and case.path_parameters["id"] == KNOWN:
        # Orders need a user and a product that there are.
        case.path_parameters = {**case.path_parameters, "id": "another"}
    if operation in ("createUsers", "patchUser"):
        case.body = each(case.body, of_one_place)
    if operation == "createOrders":
        case.body = each(case.body, of_known_things)
    if operation.startswith("append"):
        entries = case.body if isinstance(case.body, list) else [case.body]
        entries = [entry_of_today(entry, index) for index, entry in enumerate(entries)]
        case.body = entries if isinstance(case.body, list) else entries[0]


def each(body, mend):
    """The body, which is one object or an array, with each object mended."""
    return [mend(element) for element in body] if isinstance(body, list) else mend(body)


def of_one_place(user):
    """A user with an address or a region: both are 422."""
    return {name: value for name, value in user.items() if name != "region" or "address" not in user}


def of_known_things(order):
    """An order of a user and a product that there are, and an amount that does not hang on the price: else 422."""
    return {**order, "user_id": KNOWN, "product_id": KNOWN, "total_amount": order.get("total_amount") or 1}


def letter_like(drawn):
    """A letter that is there, or nearly: what was drawn may be another thing's id."""
    text = str(drawn)
    return 1 + int(text) % LETTERS if text.isdecimal() else 1


def uuid_like(text):
    """The text where it is a UUID, else one."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return str(uuid.uuid4())


def entry_of_today(entry, index):
    """An entry whose own time lies in the window that moves with the clock, and that expects what the first does."""
    entry = dict(entry)
    for name in {"conversation_time", "created_at"} & entry.keys():
        if entry[name] is not None:
            entry[name] = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    if index > 0:
        entry.pop("expected_seq", None)
    return entry
