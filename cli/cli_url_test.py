#!/usr/bin/env python3
"""The commands that read, over HTTP: the same output from a URL as from the file."""

import os
import pathlib
import subprocess
import sys
import unittest
import urllib.request

import quire_command

FAULT_SERVER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fault_server.py"
ALLOWED = "--allow-private-network"


class UrlTest(quire_command.QuireTest):
    def setUp(self):
        super().setUp()
        rows = quire_command.random_rows(3000, 16)
        self.write("rows.bvecs", quire_command.bvecs(rows))
        self.write("queries.bvecs", quire_command.bvecs(rows[:5]))
        self.run_quire("import", "store", "rows.bvecs")
        self.path("www").mkdir()
        self.run_quire("snapshot", "create", "store", "www/photos.quire")
        self.server = subprocess.Popen([sys.executable, str(FAULT_SERVER), str(self.path("www"))],
                                       stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.stop)
        self.base = f"http://127.0.0.1:{int(self.server.stdout.readline())}/"
        self.url = self.base + "photos.quire"

    def stop(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def test_commands_read_a_url_as_a_file(self):
        for words in (["get", "{}", "7", "2999"], ["nearest", "{}", "queries.bvecs", "--k", "3"],
                      ["get", "{}", "7", "--json"]):
            from_file = self.text(*[word.format("www/photos.quire") for word in words])
            from_url = self.text(*[word.format(self.url) for word in words], ALLOWED)
            self.assertEqual(from_url, from_file, words)
        self.assertIn("3,000", self.text("info", self.url, ALLOWED))
        self.assertIn("are whole", self.text("verify", self.url, ALLOWED))
        self.run_quire("export", self.url, "back.bvecs", ALLOWED)
        self.assertEqual(self.path("back.bvecs").read_bytes(), self.path("rows.bvecs").read_bytes())
        self.run_quire("restore", self.url, "again", ALLOWED)
        self.assertIn("are whole", self.text("verify", "again"))

    def test_vector_files_are_read_from_a_url(self):
        for name in ("rows.bvecs", "queries.bvecs"):
            self.path("www").joinpath(name).write_bytes(self.path(name).read_bytes())
        self.run_quire("import", "copied", self.base + "rows.bvecs?signature=secret", ALLOWED)
        self.assertNotIn("secret", self.error)
        self.run_quire("export", "copied", "back.bvecs")
        self.assertEqual(self.path("back.bvecs").read_bytes(), self.path("rows.bvecs").read_bytes())
        self.assertEqual(self.text("nearest", "copied", self.base + "queries.bvecs", "--k", "3", ALLOWED),
                         self.text("nearest", "store", "queries.bvecs", "--k", "3"))
        self.fails("import", "other", self.base + "rows.bvecs", says="denied_by_policy")
        self.fails("import", "other", self.base + "photos.quire", ALLOWED, says="names no format")

    # Several threads read it, each a part.
    def test_a_long_vector_file_is_imported_from_a_url(self):
        rows = quire_command.bvecs(quire_command.random_rows(40_000, 512))
        self.path("www/long.bvecs").write_bytes(rows)
        self.run_quire("import", "long", self.base + "long.bvecs?fault=reset&at=900000&first=3", ALLOWED,
                       "--threads", "4")
        self.run_quire("export", "long", "back.bvecs")
        self.assertEqual(self.path("back.bvecs").read_bytes(), rows)

    def test_the_environments_proxy_is_used_when_asked_for(self):
        proxy = subprocess.Popen([sys.executable, "-B", str(FAULT_SERVER.parent / "proxy_server.py")],
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(proxy.stdout.close)
        self.addCleanup(proxy.wait)
        self.addCleanup(proxy.kill)
        address = f"http://127.0.0.1:{int(proxy.stdout.readline())}"

        def asked():
            with urllib.request.urlopen(address + "/__log") as answer:
                return len(answer.read().splitlines())

        environment = {**os.environ, "http_proxy": address, "no_proxy": ""}
        self.run_quire("cat", self.url, ALLOWED, env=environment)
        self.assertEqual(asked(), 0)
        self.run_quire("cat", self.url, ALLOWED, "--proxy-from-environment", env=environment)
        self.assertGreater(asked(), 0)

    def test_a_private_address_is_refused_unless_allowed(self):
        for command in (["info", self.url], ["cat", self.url], ["verify", self.url]):
            self.fails(*command, says="denied_by_policy")

    def test_what_the_server_says_is_told(self):
        self.fails("info", self.base + "missing", ALLOWED, says="not_found")
        self.fails("info", self.url + "?fault=status&code=403&signature=secret", ALLOWED, says="403")
        self.assertNotIn("secret", self.error)

    def test_no_secret_is_printed(self):
        url = self.url.replace("http://", "http://me:secret@") + "?signature=secret"
        for words in (["info", url], ["verify", url], ["get", url, "1"]):
            self.assertNotIn("secret", self.text(*words, ALLOWED) + self.error)
        self.fails("get", url, "12345678", ALLOWED)
        self.assertNotIn("secret", self.error)

    def test_damage_is_found_in_a_url(self):
        data = bytearray(self.path("www/photos.quire").read_bytes())
        data[5000] ^= 1
        self.path("www/bad.quire").write_bytes(data)
        self.assertIn("damaged", self.text("verify", self.base + "bad.quire", ALLOWED, status=3))

    def test_cat_prints_exactly_the_bytes(self):
        data = self.path("www/photos.quire").read_bytes()
        size = len(data)

        def cat(place, *words, status=0):
            return self.run_quire("cat", place, *words, status=status)

        for place in (self.url, "www/photos.quire"):
            self.assertEqual(cat(place, ALLOWED), data)
            for given, expected in (("0-7", data[:8]), ("10-10", data[10:11]), (f"{size - 5}-", data[-5:]),
                                    ("-9", data[-9:]), (f"{size}-", b""), (f"-{size + 1}", data)):
                self.assertEqual(cat(place, f"--range={given}", ALLOWED), expected, given)
            for given in (f"0-{size}", f"{size + 1}-", f"{size}-{size}"):
                self.assertEqual(cat(place, f"--range={given}", ALLOWED, status=1), b"", given)
            for given in ("7", "-", "9-8", "a-b", "0-7,9-10", "1--2", "0x1-2"):
                cat(place, f"--range={given}", ALLOWED, status=2)

    def test_cat_takes_up_a_broken_body(self):
        data = self.path("www/photos.quire").read_bytes()
        self.assertEqual(self.run_quire("cat", self.url + "?fault=reset&at=70000&first=2", ALLOWED), data)


if __name__ == "__main__":
    unittest.main()
