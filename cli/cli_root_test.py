"""Full and read-only file systems: needs root, to mount small ones."""

import os
import re
import subprocess
import unittest

from quire_command import QuireTest, bvecs, random_rows


class SmallFileSystemTest(QuireTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        self.path("disk").mkdir()
        self.mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", self.path("disk"))
        self.addCleanup(subprocess.run, ["umount", self.path("disk")], check=True)

    def mount(self, *words):
        done = subprocess.run(["mount", *words], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest("cannot mount here: " + done.stderr)

    def remount(self, options):
        subprocess.run(["mount", "-o", "remount," + options, self.path("disk")], check=True)

    def durable_rows(self):
        """What the error of an import that stopped says is durable."""
        if "no row of this import is durable" in self.error:
            return 0
        return int(re.search(r"; ([\d,]+) rows? of", self.error)[1].replace(",", ""))

    def test_a_full_disk_costs_nothing_acknowledged(self):
        content = bvecs(random_rows(40000, 96))
        self.write("a.bvecs", content)
        for batch in [100, 5000]:  # through the log, and large ones
            with self.subTest(batch=batch):
                self.fails("import", "disk/s", "a.bvecs", "--batch", batch, says="no_space")
                durable = self.durable_rows()
                self.assertGreater(durable, 0)
                self.assert_whole("disk/s", content[:durable * 100])

                self.remount("size=64m")
                self.run_quire("import", "disk/s", "a.bvecs", "--batch", batch)
                self.assert_whole("disk/s", content)
                for path in self.path("disk/s").iterdir():
                    path.unlink()
                self.path("disk/s").rmdir()
                self.remount("size=2m")

    def test_a_store_that_does_not_fit_is_not_made(self):
        self.write("disk/filler", bytes(2 * 1024 * 1024 - 4096))
        self.fails("create", "disk/s", "--dim", 4, says="no_space")
        self.path("disk/filler").unlink()
        self.run_quire("create", "disk/s", "--dim", 4)

    def test_an_export_that_does_not_fit_leaves_no_file(self):
        content = bvecs(random_rows(30000, 96))
        self.write("a.bvecs", content)
        self.run_quire("import", "s", "a.bvecs")
        self.fails("export", "s", "disk/o.bvecs", says="no_space")
        self.assertEqual(os.listdir(self.path("disk")), [])
        self.assert_whole("s", content)

    def test_a_snapshot_or_store_that_does_not_fit_is_not_made(self):
        content = bvecs(random_rows(30000, 96))
        self.write("a.bvecs", content)
        self.run_quire("import", "s", "a.bvecs")
        self.fails("snapshot", "create", "s", "disk/photos.quire", says="no_space")
        self.assertEqual(os.listdir(self.path("disk")), [])

        self.run_quire("snapshot", "create", "s", "photos.quire")
        self.fails("restore", "photos.quire", "disk/r", says="no_space")
        self.fails("info", "disk/r", says="not_found")
        self.remount("size=64m")
        self.run_quire("restore", "photos.quire", "disk/r")
        self.assert_whole("disk/r", content)

    def test_a_read_only_file_system_can_be_read(self):
        content = bvecs(random_rows(1000, 8))
        self.write("a.bvecs", content)
        self.run_quire("import", "disk/s", "a.bvecs")
        self.run_quire("snapshot", "create", "disk/s", "disk/photos.quire")
        self.remount("ro")
        self.assert_whole("disk/s", content)
        self.assert_whole("disk/photos.quire", content)
        for words in [["import", "disk/s", "a.bvecs"], ["remove", "disk/s", 1],
                      ["checkpoint", "disk/s"], ["create", "disk/t", "--dim", 4],
                      ["snapshot", "create", "disk/s", "disk/p.quire"],
                      ["restore", "disk/photos.quire", "disk/t"]]:
            self.fails(*words)
        self.assert_whole("disk/s", content)


class DiskBelowACacheTest(QuireTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting needs root")
        self.path("disk").mkdir()
        self.write("image", b"")
        os.truncate(self.path("image"), 64 << 20)
        for words in [["mkfs.ext4", "-q", self.path("image")],
                      ["mount", "-o", "loop", self.path("image"), self.path("disk")]]:
            try:
                done = subprocess.run(words, capture_output=True, text=True)
            except FileNotFoundError:
                self.skipTest(f"there is no {words[0]}")
            if done.returncode != 0:
                self.skipTest(f"no {words[0]} here: {done.stderr}")
        self.addCleanup(subprocess.run, ["umount", self.path("disk")], check=True)

    def change_on_disk(self, row):
        """Changes a row wherever it is in the image, under what the system has cached of the files
        in it."""
        places = [match.start()
                  for match in re.finditer(re.escape(row), self.path("image").read_bytes())]
        self.assertGreaterEqual(len(places), 2)
        for at in places:
            self.flip("image", at)

    def test_what_is_right_in_the_cache_and_wrong_on_the_disk_is_found(self):
        rows = random_rows(100, 64)
        self.write("a.bvecs", bvecs(rows))
        self.run_quire("import", "disk/s", "a.bvecs")
        self.publish("disk/s", "disk/p.quire")
        for name in ["disk/s", "disk/p.quire"]:
            self.assertTrue(self.json("verify", name, "--cold")["ok"])
            self.assertTrue(self.json("verify", name)["ok"])  # which caches it again
        self.change_on_disk(rows[7])
        for name in ["disk/s", "disk/p.quire"]:
            self.assertTrue(self.json("verify", name)["ok"])
            self.assertEqual(len(self.json("verify", name, "--cold", status=3)["damaged"]), 1)


if __name__ == "__main__":
    unittest.main()
