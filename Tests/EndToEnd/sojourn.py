# SPDX-License-Identifier: Apache-2.0
"""A real server of this build on a free port and a folder of its own, and a small client for it."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("SOJOURN_BINARY", ROOT / ".build/debug/sojourn"))


class Answer:
    """An HTTP answer, its body read."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Server:
    """`sojourn serve`, started and stopped by the test."""

    def __init__(self, folder=None, **environment):
        self.owns_folder = folder is None
        self.folder = Path(folder or tempfile.mkdtemp(prefix="sojourn-test-"))
        self.environment = {"PATH": os.environ["PATH"], "CREATE_LIMIT": "0", "LOG_FORMAT": "json", **environment}
        self.log_path = self.folder / "server.log"
        self.process = None
        self.port = None

    @property
    def data(self):
        return self.folder / "data"

    @property
    def database(self):
        return self.data / "sojourn.db"

    def start(self, timeout=20):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data", self.data, "--port", str(self.port)],
                cwd=self.folder, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the server exited {self.process.returncode}: {self.log()[-2000:]}")
            try:
                if self.call("GET", "/healthz").status == 200:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the server did not come up: {self.log()[-2000:]}")

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)
        return self.process.returncode if self.process else None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop(signal.SIGKILL)
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def call(self, method, path, body=None, token=None, connection=None, **headers):
        """One call; `headers` with `_` for `-`. A body that is no string goes as JSON."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        own = connection or self.connect()
        try:
            own.request(method, path, body, sent)
            return Answer(own.getresponse())
        finally:
            if connection is None:
                own.close()

    def key(self):
        return (self.data / "service.key").read_text().strip()

    def command(self, *words, check=True):
        """A command beside the server, on its data folder."""
        done = subprocess.run(
            [BINARY, *words, "--data", self.data], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, timeout=60)
        if check and done.returncode != 0:
            raise AssertionError(f"sojourn {words} exited {done.returncode}: {done.stderr}")
        return done

    def create(self, **fields):
        answer = self.call("POST", "/v1/sessions", fields)
        assert answer.status == 201, answer
        return answer.json
