"""Stores on file systems of other machines: every command refuses them, and takes them when told to."""

import os
import unittest

from quire_command import QuireTest, bvecs, random_rows

FLAG = "--allow-network-file-system"


class NetworkFileSystemTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.rows = bvecs(random_rows(20, 8))
        self.write("a.bvecs", self.rows)
        self.write("a.raw", b"".join(random_rows(20, 8)))
        self.run_quire("import", "s", "a.bvecs")
        self.run_quire("snapshot", "create", "s", "s.quire")
        self.network = {"env": os.environ | {"LD_PRELOAD": os.environ["NETWORK_EVERYWHERE"]}}

    def test_every_command_needs_the_flag(self):
        for words in [["create", "new", "--dim", 8], ["import", "made", "a.bvecs"],
                      ["import", "s", "a.bvecs"], ["info", "s"], ["stats", "s"], ["get", "s", 1],
                      ["export", "s", "back.bvecs"], ["nearest", "s", "a.bvecs", "--k", 1],
                      ["snapshot", "create", "s", "again.quire"], ["restore", "s.quire", "back"],
                      ["verify", "s"], ["repair", "s"], ["checkpoint", "s"], ["compact", "s"],
                      ["remove", "s", 3]]:
            with self.subTest(words=words):
                before = sorted(os.listdir(self.home))
                self.fails(*words, **self.network, says="this is on NFS")
                self.assertEqual(sorted(os.listdir(self.home)), before)
                self.run_quire(*words, FLAG, **self.network)

    def test_a_raw_file_takes_its_shape_from_the_store(self):
        self.fails("import", "s", "a.raw", **self.network, says="this is on NFS")
        self.run_quire("import", "s", "a.raw", "--first-id", 100, FLAG, **self.network)
        self.assertEqual(self.json("info", "s")["rows"], 40)

    def test_a_snapshot_is_read_from_anywhere(self):
        self.run_quire("verify", "s.quire", **self.network)
        self.run_quire("get", "s.quire", 1, **self.network)


if __name__ == "__main__":
    unittest.main()
