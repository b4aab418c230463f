#!/usr/bin/env python3
"""The commands over S3: snapshots published and read there, objects copied and listed. The server is a real one."""

import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

import quire_command

TESTS = pathlib.Path(__file__).resolve().parent.parent / "tests"
ALLOWED = "--allow-private-network"


class S3Test(quire_command.QuireTest):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen([sys.executable, "-B", str(TESTS / "s3_server.py"), "--bucket", "data"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port, access, secret, cls.folder = cls.server.stdout.readline().split()[:4]
        cls.endpoint = f"http://127.0.0.1:{port}"
        cls.secret = secret
        # As the tools of Amazon are told.
        cls.variables = {"AWS_ENDPOINT_URL": cls.endpoint, "AWS_ACCESS_KEY_ID": access,
                         "AWS_SECRET_ACCESS_KEY": secret, "AWS_EC2_METADATA_DISABLED": "true"}
        os.environ.update(cls.variables)

    @classmethod
    def tearDownClass(cls):
        cls.server.stdin.close()
        cls.server.wait()
        cls.server.stdout.close()
        for name in cls.variables:
            del os.environ[name]

    def requests(self, target):
        """The server's log: "METHOD TARGET STATUS" of what it answered to those that begin so."""
        self.server.stdin.write("flush\n")
        self.server.stdin.flush()
        self.assertEqual(self.server.stdout.readline().strip(), "ok")
        found = []
        for line in pathlib.Path(self.folder, "requests.log").read_text(encoding="utf-8").splitlines():
            if " beast: " not in line:
                continue
            method, path, _, status = line.split('] "', 1)[1].split(" ")[:4]
            if path.startswith(target):
                found.append(f"{method} {path} {status}")
        return found

    def make_store(self, rows=3000, dimension=16):
        self.write("rows.bvecs", quire_command.bvecs(quire_command.random_rows(rows, dimension)))
        self.run_quire("import", "store", "rows.bvecs")

    def test_a_snapshot_is_published_and_read_there(self):
        self.make_store()
        self.write("queries.bvecs", quire_command.bvecs(quire_command.random_rows(3, 16)))
        self.assertIn("3,000 rows", self.text("snapshot", "create", "store", "s3://data/a b/photos.quire", ALLOWED))
        self.run_quire("snapshot", "create", "store", "photos.quire")
        url = "s3://data/a b/photos.quire"
        for words in (["get", "{}", "7", "2999"], ["nearest", "{}", "queries.bvecs", "--k", "3"]):
            self.assertEqual(self.text(*[word.format(url) for word in words], ALLOWED),
                             self.text(*[word.format("photos.quire") for word in words]))
        self.assertIn("3,000", self.text("info", url, ALLOWED))
        self.assertIn("are whole", self.text("verify", url, ALLOWED))
        self.run_quire("restore", url, "again", ALLOWED)
        self.assertIn("are whole", self.text("verify", "again"))
        self.run_quire("snapshot", "create", "store", url, "--no-replace", ALLOWED, status=1)
        self.assertIn("exists", self.error)

    # What a command costs, as the server counts it.
    def test_opening_a_snapshot_takes_two_requests_at_most(self):
        self.make_store(rows=200_000)
        url = "s3://data/counted.quire"
        self.run_quire("snapshot", "create", "store", url, ALLOWED)
        before = len(self.requests("/data/counted.quire"))
        self.run_quire("info", url, ALLOWED)
        opening = len(self.requests("/data/counted.quire")) - before
        self.assertIn(opening, (1, 2))
        before += opening
        self.run_quire("get", url, "123456", ALLOWED)
        self.assertLessEqual(len(self.requests("/data/counted.quire")) - before, opening + 2)

    def test_objects_are_copied_both_ways(self):
        data = random.Random(1).randbytes(40 << 20)
        for size in (0, 1, 70_000, 8 << 20, 40 << 20):
            self.write("here", data[:size])
            self.run_quire("cp", "here", "s3://data/copied/", ALLOWED)
            done = self.json("cp", "s3://data/copied/here", "back", "--verify", ALLOWED)
            self.assertEqual(done["bytes"], size)
            self.assertTrue(done["verified"])
            self.assertEqual(self.path("back").read_bytes(), data[:size])
            self.run_quire("cp", "s3://data/copied/here", "s3://data/copied/there", ALLOWED)
            self.assertEqual(self.run_quire("cat", "s3://data/copied/there", ALLOWED), data[:size])
        self.assertEqual([name for name in os.listdir(self.home) if "quire" in name], [])
        self.fails("cp", "here", "s3://data/copied/here", "--no-replace", ALLOWED, says="exists")
        self.fails("cp", "s3://data/copied/here", "back", "--no-replace", ALLOWED, says="exists")
        self.assertEqual(self.path("back").read_bytes(), data)

    # Killed at any moment, the same command goes on; what was written is not fetched again.
    def test_a_killed_copy_goes_on(self):
        data = random.Random(2).randbytes(100 << 20)
        self.write("here", data)
        self.run_quire("cp", "here", "s3://data/long", ALLOWED)
        words = [self.quire, "cp", "s3://data/long", "back", ALLOWED, "--json"]
        kept = 0
        for _ in range(20):
            copy = subprocess.Popen(words, cwd=self.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.15 + kept / 4)
            copy.kill()
            copy.wait()
            if self.path("back").exists():
                break
            kept += self.path("back.quire-copy").exists()
            if kept == 3:
                break
        done = self.json("cp", "s3://data/long", "back", ALLOWED)
        self.assertEqual(self.path("back").read_bytes(), data)
        self.assertEqual([name for name in os.listdir(self.home) if "back." in name], [])
        self.assertLessEqual(done["fetched"], len(data))

    def test_an_object_that_changed_is_copied_from_its_beginning(self):
        self.write("here", b"a" * (40 << 20))
        self.run_quire("cp", "here", "s3://data/changing", ALLOWED)
        copy = subprocess.Popen([self.quire, "cp", "s3://data/changing", "back", ALLOWED], cwd=self.home,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while copy.poll() is None and not self.path("back.quire-copy").exists():
            time.sleep(0.001)
        copy.kill()
        copy.wait()
        self.write("here", b"b" * (40 << 20))
        self.run_quire("cp", "here", "s3://data/changing", ALLOWED)
        self.run_quire("cp", "s3://data/changing", "back", ALLOWED)
        self.assertEqual(self.path("back").read_bytes(), b"b" * (40 << 20))

    # No object of a command that was killed while it wrote one, and no parts of it once a later one ended them.
    def test_a_killed_upload_leaves_nothing(self):
        self.write("here", random.Random(3).randbytes(100 << 20))

        def begun():
            return len([line for line in self.requests("/data/killed") if line.startswith("POST")])

        for _ in range(5):
            before = begun()
            copy = subprocess.Popen([self.quire, "cp", "here", "s3://data/killed", ALLOWED], cwd=self.home,
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while copy.poll() is None and begun() == before:
                time.sleep(0.01)
            copy.send_signal(signal.SIGKILL)
            copy.wait()
            if copy.returncode == -signal.SIGKILL:
                self.fails("cat", "s3://data/killed", "--range=0-0", ALLOWED, says="not_found")
                break
        self.assertEqual(copy.returncode, -signal.SIGKILL)

        def ended():
            return len([line for line in self.requests("/data/killed") if line.startswith("DELETE")])

        # What may still be written is left alone.
        self.run_quire("cp", "here", "s3://data/killed", ALLOWED)
        self.assertEqual(ended(), 0)
        self.run_quire("cp", "here", "s3://data/killed", "--abort-idle", "0", ALLOWED)
        self.assertGreaterEqual(ended(), 1)
        before = ended()
        self.run_quire("cp", "here", "s3://data/killed", "--abort-idle", "0", ALLOWED)
        self.assertEqual(ended(), before)

    # Long and short copies treat what is there alike.
    def test_what_is_replaced_is_treated_well(self):
        for size in (1000, 40 << 20):
            data = random.Random(4).randbytes(size)
            self.write("here", data)
            self.run_quire("cp", "here", "s3://data/kept", ALLOWED)
            self.write("real", b"old")
            self.path("real").chmod(0o600)
            if self.path("link").is_symlink():
                self.path("link").unlink()
            self.path("link").symlink_to("real")
            self.run_quire("cp", "s3://data/kept", "link", ALLOWED)
            self.assertTrue(self.path("link").is_symlink())
            self.assertEqual(self.path("real").read_bytes(), data)
            self.assertEqual(self.path("real").stat().st_mode & 0o777, 0o600)
            before = len(self.requests("/data/kept"))
            self.fails("cp", "s3://data/kept", "real", "--no-replace", ALLOWED, says="exists")
            os.mkfifo(self.path("pipe"))
            self.fails("cp", "s3://data/kept", "pipe", ALLOWED, says="special file")
            self.assertTrue(self.path("pipe").is_fifo())
            self.path("pipe").unlink()
            if size > 1000:
                self.assertLessEqual(len(self.requests("/data/kept")) - before, 3)  # refused before it is fetched
        self.assertEqual([name for name in os.listdir(self.home) if "quire" in name], [])

    def test_names_are_kept_letter_by_letter(self):
        self.path("folder").mkdir()
        for name in ("run#1", "run#2", "a?x=1"):
            self.write(name, name.encode())
            self.run_quire("cp", name, "s3://data/names/", ALLOWED)
            self.run_quire("cp", "s3://data/names/" + name, "folder", ALLOWED)
            self.assertEqual(self.path("folder").joinpath(name).read_bytes(), name.encode())
        self.run_quire("cp", "run#1", "s3://data", ALLOWED)
        self.assertEqual(self.run_quire("cat", "s3://data/run#1", ALLOWED), b"run#1")
        self.fails("cp", "s3://data/names/", "folder", ALLOWED, status=2, says="no name")
        self.fails("cp", "run#1", "run#1", status=2, says="same file")
        self.write("big.quire-copy", bytes(40 << 20))
        self.fails("cp", "big.quire-copy", "big", status=2, says="same file")

    # Two objects whose servers call their versions the same.
    def test_a_copy_of_another_object_does_not_go_on(self):
        self.write("one", b"1" * (80 << 20))
        self.run_quire("cp", "one", "s3://data/one", ALLOWED)
        copy = subprocess.Popen([self.quire, "cp", "s3://data/one", "back", ALLOWED], cwd=self.home,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while copy.poll() is None and not self.path("back.quire-copy").exists():
            time.sleep(0.001)
        copy.kill()
        copy.wait()
        self.run_quire("cp", "s3://data/one", "s3://data/other", ALLOWED)
        done = self.json("cp", "s3://data/other", "back", ALLOWED)
        self.assertEqual(done["fetched"], 80 << 20)

    def test_a_bucket_is_listed(self):
        for name in ("list/a", "list/b/1", "list/b/2", "list/ümläut +"):
            self.write("here", name.encode())
            self.run_quire("cp", "here", "s3://data/" + name, ALLOWED)
        lines = self.text("ls", "s3://data/list/", ALLOWED).splitlines()
        self.assertEqual([line.split("  ")[-1].strip() for line in lines], ["list/b/", "list/a", "list/ümläut +"])
        everything = [self.text("ls", "s3://data/list/", "--recursive", ALLOWED, "--json").splitlines()]
        self.assertEqual(len(everything[0]), 4)
        self.fails("ls", "s3://data/nothing", ALLOWED, says="not_found")
        self.fails("ls", "s3://nobody/", ALLOWED, says="no such bucket")
        self.fails("ls", "here", ALLOWED, status=2, says="no s3:// place")

    def test_what_is_wrong_is_told_without_secrets(self):
        self.fails("cat", "s3://data/missing", ALLOWED, says="not_found")
        self.fails("cat", "s3://data/missing", says="denied_by_policy")
        self.fails("cp", "s3://data/missing", "back", ALLOWED, says="not_found")
        self.fails("cp", "s3://data/a", "http://127.0.0.1/b", ALLOWED, says="")
        environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
        self.run_quire("cat", "s3://data/missing", ALLOWED, status=1, env=environment)
        self.assertNotIn("not-the-secret", self.error)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del environment[name]
        environment["HOME"] = str(self.home)
        self.run_quire("cat", "s3://data/missing", ALLOWED, status=1, env=environment)
        self.assertIn("unauthenticated", self.error)
        self.run_quire("cat", "s3://data/missing", "--no-sign-request", ALLOWED, status=1, env=environment)
        self.assertIn("permission", self.error)

    def test_the_options_and_the_profile_count(self):
        self.write("here", b"bytes")
        self.run_quire("cp", "here", "s3://data/options", ALLOWED)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        environment.update(HOME=str(self.home), AWS_EC2_METADATA_DISABLED="true")
        self.path(".aws").mkdir()
        self.write(".aws/credentials", f"[mine]\naws_access_key_id = {self.variables['AWS_ACCESS_KEY_ID']}\n"
                                       f"aws_secret_access_key = {self.secret}\n".encode())
        self.write(".aws/config", b"[profile mine]\nregion = eu-west-1\n")
        self.assertEqual(self.run_quire("cat", "s3://data/options", ALLOWED, "--profile", "mine",
                                        "--endpoint-url", self.endpoint, env=environment), b"bytes")
        self.write(".aws/config", f"[profile mine]\nendpoint_url = {self.endpoint}\n".encode())
        self.assertEqual(self.run_quire("cat", "s3://data/options", ALLOWED,
                                        env={**environment, "AWS_PROFILE": "mine"}), b"bytes")


if __name__ == "__main__":
    unittest.main()
