"""One flipped byte, wherever it is, is found and named, and never served."""

import struct
import subprocess
import unittest

from quire_command import QuireTest, bvecs, random_rows

HEADER = 4096
DIMENSION = 16
ENTRY = 48


class DamageTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.rows_in = random_rows(50, DIMENSION)
        self.content = bvecs(self.rows_in)
        self.write("a.bvecs", self.content)
        self.run_quire("import", "s", "a.bvecs")

    def assert_found(self, store, name):
        """verify names the file, and the commands that need it refuse; returns the damage."""
        report = self.json("verify", store, status=3)
        self.assertFalse(report["ok"])
        self.assertEqual(set(report["damaged"][0]), {"file", "offset", "length", "what", "id"})
        self.assertTrue(any(d["file"].endswith("/" + name) for d in report["damaged"]), report)
        self.assertIn(f"{store}/{name} [", self.text("verify", store, status=3))
        return report["damaged"]

    def assert_refused(self, store, name, offset):
        """No command opens the store while the byte is flipped; all is there once it is back."""
        self.flip(f"{store}/{name}", offset)
        self.assert_found(store, name)
        for words in [["info", store], ["get", store, 1], ["export", store, "o.bvecs"],
                      ["import", store, "a.bvecs"], ["remove", store, 1], ["checkpoint", store]]:
            with self.subTest(words=words):
                self.fails(*words, status=3, says=name)
        self.assertFalse(self.path("o.bvecs").exists())
        self.flip(f"{store}/{name}", offset)

    def test_what_is_on_the_disk(self):
        self.publish("s", "p.quire")
        for name, inside in [("s", "s/gen-1.rows"), ("p.quire", "p.quire")]:
            done = subprocess.run([self.quire, "verify", name, "--cold"], cwd=self.home, timeout=120,
                                  capture_output=True, text=True)
            if "cannot read past the page cache" in done.stderr:
                self.skipTest("no direct reads here")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, self.text("verify", name))
            self.flip(inside, HEADER + 7 * DIMENSION + 3)
            cold = self.json("verify", name, "--cold", status=3)
            self.assertEqual(len(cold["damaged"]), 1)
            self.assertEqual(cold["damaged"][0]["file"], inside)
            self.assertEqual(cold, self.json("verify", name, status=3))

    def test_a_row(self):
        self.flip("s/gen-1.rows", HEADER + 7 * DIMENSION + 3)
        damaged = self.assert_found("s", "gen-1.rows")
        self.assertEqual([d["id"] for d in damaged], [7])
        self.assertEqual((damaged[0]["offset"], damaged[0]["length"]),
                         (HEADER + 7 * DIMENSION, DIMENSION))
        self.fails("get", "s", 7, status=3, says="gen-1.rows")
        self.assertTrue(self.text("get", "s", 6, 8).startswith("6: "))
        self.fails("export", "s", "o.bvecs", status=3, says="gen-1.rows")
        self.assertFalse(any(self.home.glob("o.bvecs*")))
        self.flip("s/gen-1.rows", HEADER + 7 * DIMENSION + 3)
        self.assert_whole("s", self.content)

    def test_the_header_of_the_rows(self):
        self.assert_refused("s", "gen-1.rows", 90)
        self.assert_whole("s", self.content)

    def test_an_entry_of_the_slots(self):
        for offset in [HEADER + 3 * ENTRY + 8, HEADER + 49 * ENTRY + 47]:
            self.assert_refused("s", "gen-1.slots", offset)
        self.assert_whole("s", self.content)

    def test_the_manifest(self):
        for offset in [0, 20, 33, 56, 100, 255]:
            self.assert_refused("s", "MANIFEST", offset)
        self.assert_whole("s", self.content)

    def test_files_cut_short(self):
        for name in ["MANIFEST", "gen-1.rows", "gen-1.slots"]:
            whole = self.path(f"s/{name}").read_bytes()
            self.path(f"s/{name}").write_bytes(whole[:-1])
            self.fails("verify", "s", status=3)
            self.path(f"s/{name}").write_bytes(whole)
        self.assert_whole("s", self.content)

    def test_a_record_of_the_log(self):
        self.write("many.bvecs", bvecs(random_rows(2000, DIMENSION)))
        process = self.start_import("killed", "many.bvecs", "--batch", 1)
        for _ in range(20):
            process.stdout.readline()
        process.kill()
        process.wait()
        log = next(self.path("killed").glob("log-*.wal")).name
        self.assert_refused("killed", log, HEADER + 60)  # in the first of many records
        self.assertGreaterEqual(self.json("info", "killed")["rows"], 20)

    def test_what_the_device_cannot_read(self):
        """A file whose first byte cannot be read: that of a process's memory."""
        self.run_quire("remove", "s", 49)
        for name in ["gen-1.rows", "gen-1.slots", next(self.path("s").glob("log-*.wal")).name]:
            with self.subTest(name=name):
                self.path(f"s/{name}").rename(self.path("aside"))
                self.path(f"s/{name}").symlink_to("/proc/self/mem")
                damaged = self.assert_found("s", name)
                self.assertEqual([d["what"] for d in damaged], ["the device cannot read it"])
                self.assertEqual(damaged[0]["offset"], 0)
                self.fails("get", "s", 1, status=1, says=name)
                self.path(f"s/{name}").unlink()
                self.path("aside").rename(self.path(f"s/{name}"))
        self.run_quire("verify", "s")


class FutureVersionTest(QuireTest):
    def test_a_newer_store_is_left_alone(self):
        content = bvecs(random_rows(5, 4))
        self.write("a.bvecs", content)
        self.run_quire("import", "s", "a.bvecs")
        manifest = self.path("s/MANIFEST")
        ours = manifest.read_bytes()
        newer = ours[:8] + struct.pack("<I", 2) + ours[12:]
        manifest.write_bytes(newer)
        for words in [["info", "s"], ["verify", "s"], ["get", "s", 1], ["import", "s", "a.bvecs"],
                      ["remove", "s", 1], ["checkpoint", "s"], ["export", "s", "o.bvecs"]]:
            self.fails(*words, says="format_version")
        self.assertEqual(manifest.read_bytes(), newer)
        manifest.write_bytes(ours)
        self.assert_whole("s", content)


if __name__ == "__main__":
    unittest.main()
