# SPDX-License-Identifier: Apache-2.0
"""What schemathesis needs to know beyond the OpenAPI document: a live session or the service key for each request."""

import json
import os
import urllib.request

import schemathesis

BASE = os.environ["SOJOURN_BASE"]
KEY = os.environ["SOJOURN_KEY"]


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """A fresh session for every case that takes a visitor's token, so that one case's logout is not another's 401."""

    def get(self, case, context):
        schemes = {name for choice in case.operation.definition.raw.get("security", []) for name in choice}
        if not schemes:
            return None
        if schemes == {"serviceKey"}:
            return KEY
        request = urllib.request.Request(f"{BASE}/v1/sessions", b"{}", {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)["token"]

    def set(self, case, data, context):
        if data:
            case.headers = case.headers or {}
            case.headers["Authorization"] = f"Bearer {data}"
