# SPDX-License-Identifier: Apache-2.0
"""The newcomer's path: the README's curl lines run as printed, against a server with no settings."""

import os
import re
import subprocess
import unittest

from sojourn import BINARY, ROOT, Server


class ReadmeTest(unittest.TestCase):
    def test_the_curl_lines_do_what_the_readme_says(self):
        readme = (ROOT / "README.md").read_text()
        section = readme.split("## Five minutes with curl")[1].split("\n## ")[0]
        script = "\n".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
        self.assertIn("/v1/session/rotate", script)
        with Server() as server:
            script = script.replace("localhost:8080", f"127.0.0.1:{server.port}")
            script = script.replace(".build/release/sojourn", f"{BINARY} ").replace("key show", f"key show --data {server.data}")
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", script], cwd=server.folder, capture_output=True, text=True,
                env={"PATH": os.environ["PATH"]}, timeout=60)
            self.assertEqual(done.returncode, 0, done.stderr)
            printed = done.stdout
            for part in ['"request_count":1', '"locale":"ko-KR"', '"added":2', '"added":[1,2]', '"already_present":[]',
                         '"name":"Kimchi"', '"input_text":"What can I cook?"', '"seq":1', '"expires_at":"']:
                self.assertIn(part, printed.replace(": ", ":"))
            self.assertEqual(printed.count("What can I cook?"), 3, "written, listed and found")
            self.assertTrue(printed.rstrip().endswith("204"), printed[-200:])


if __name__ == "__main__":
    unittest.main()
