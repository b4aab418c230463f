"""Bad input gives one clear line, and leaves the store as it was."""

import os
import re
import unittest

from quire_command import QuireTest, bvecs, fvecs, npy, random_rows


class BadFileTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(100, 4))
        self.write("good.bvecs", self.content)
        self.run_quire("import", "s", "good.bvecs")

    def assert_refused(self, name, says, *words):
        """Importing the file fails and changes nothing: no store, and no place without one."""
        self.fails("import", "s", name, *words, says=says)
        self.assertIn(name, self.error)
        self.assert_whole("s", self.content)
        self.fails("import", "new", name, *words, says=says)
        self.assertFalse(self.path("new").exists())

    def test_no_such_file(self):
        self.assert_refused("none.bvecs", "not_found")

    def test_an_empty_file(self):
        self.write("empty.bvecs", b"")
        self.assert_refused("empty.bvecs", "invalid_argument")

    def test_a_directory(self):
        self.path("folder.bvecs").mkdir()
        self.assert_refused("folder.bvecs", "invalid_argument")

    def test_a_file_cut_in_a_row_is_bad_input_and_no_damage(self):
        self.write("cut.bvecs", self.content[:-3])
        self.assert_refused("cut.bvecs", "truncated")

    def test_an_npy_file_cut_short(self):
        self.write("cut.npy", npy("|u1", 3, 4, bytes(11)))
        self.assert_refused("cut.npy", "truncated")

    def test_a_name_that_tells_no_format(self):
        self.write("rows.dat", self.content)
        self.assert_refused("rows.dat", "invalid_argument")

    def test_a_file_that_is_no_vectors(self):
        self.write("text.bvecs", b"hello, world: this is no vector file\n")
        self.assert_refused("text.bvecs", "corrupt")

    def test_ids_past_the_largest(self):
        self.assert_refused("good.bvecs", "largest id", "--first-id", 2**64 - 99)

    def test_rows_of_different_dimensions(self):
        self.write("mixed.bvecs", bvecs(random_rows(70, 4, seed=2)) + bvecs([b"\0" * 3, b"\0" * 5]))
        self.assert_refused("mixed.bvecs", "row 70")

    def test_a_file_that_goes_bad_late_ends_the_import_and_says_what_is_durable(self):
        rows = random_rows(4000, 4092, seed=2)
        self.write("late.bvecs", bvecs(rows) + bvecs([b"\0" * 4091, b"\0" * 4093]))
        self.fails("import", "t", "late.bvecs", "--batch", 300, "--threads", 4, says="row 4000")
        told = re.search(r"; ([\d,]+) rows of 4,002 \(ids 0 to \d+\) durable$", self.error.strip())
        durable = int(told[1].replace(",", ""))
        self.assertGreaterEqual(durable, 2400)
        self.assertEqual(durable % 300, 0)
        self.assert_whole("t", bvecs(rows[:durable]))
        self.fails("import", "u", "late.bvecs", "--batch", 100, says="row 4000")
        told = re.search(r"; ([\d,]+) rows of 4,002 \(ids 0 to \d+\) durable$", self.error.strip())
        durable = int(told[1].replace(",", ""))
        self.assertGreaterEqual(durable, 1000)
        self.assert_whole("u", bvecs(rows[:durable]))


class MismatchTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(10, 4))
        self.write("good.bvecs", self.content)
        self.run_quire("import", "s", "good.bvecs")

    def assert_mismatch(self, *words):
        self.fails("import", "s", *words, says="mismatch")
        self.assert_whole("s", self.content)

    def test_dimension(self):
        self.assert_mismatch(self.write("wide.bvecs", bvecs(random_rows(10, 5))))

    def test_element_type(self):
        self.assert_mismatch(self.write("floats.fvecs", fvecs([[1, 2, 3, 4]])))

    def test_durability(self):
        self.assert_mismatch("good.bvecs", "--durability", "process_crash")

    def test_what_is_said_of_the_file(self):
        self.assert_mismatch("good.bvecs", "--dim", 5)
        self.assert_mismatch("good.bvecs", "--type", "f32")
        self.assert_mismatch("good.bvecs", "--file-type", "f32")


class NoStoreTest(QuireTest):
    READERS = [["info"], ["verify"], ["get", 1], ["export", "o.npy"],
               ["nearest", "q.bvecs", "--k", 1]]
    WRITERS = [["remove", 1], ["checkpoint"]]

    def assert_nothing_there(self, directory):
        for command, *words in self.READERS + self.WRITERS:
            with self.subTest(command=command):
                self.fails(command, directory, *words, says="not_found")

    def test_no_directory(self):
        self.assert_nothing_there("none")
        self.assertFalse(self.path("none").exists())

    def test_a_directory_of_other_files_is_left_alone(self):
        self.path("other").mkdir()
        self.write("other/notes.txt", b"mine")
        self.write("a.bvecs", bvecs([b"\1"]))
        self.assert_nothing_there("other")
        self.fails("create", "other", "--dim", 4, says="exists")
        self.fails("import", "other", "a.bvecs", says="exists")
        self.assertEqual([p.name for p in self.path("other").iterdir()], ["notes.txt"])

    def test_a_file_that_is_neither_store_nor_snapshot(self):
        self.write("file", b"mine")
        for command, *words in self.READERS:
            self.fails(command, "file", *words, status=3)  # as good as a damaged snapshot
        for command, *words in self.WRITERS:
            self.fails(command, "file", *words)
        self.fails("create", "file", "--dim", 4)
        self.assertEqual(self.path("file").read_bytes(), b"mine")

    def test_no_parent(self):
        self.fails("create", "no/store", "--dim", 4, says="not_found")

    def test_a_name_with_a_line_feed_still_gives_one_line(self):
        self.fails("info", "two\nlines", says=r"two\x0alines")


class PermissionTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(10, 4))
        self.write("a.bvecs", self.content)
        self.run_quire("import", "s", "a.bvecs")
        for path in [*self.path("s").iterdir(), self.path("s")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        self.someone = self.without_root()
        self.addCleanup(self.path("s").chmod, 0o755)

    def test_a_read_only_store_can_be_read(self):
        self.assertEqual(self.json("info", "s", **self.someone)["rows"], 10)
        self.assertTrue(self.json("verify", "s", **self.someone)["ok"])
        rows = self.run_quire("get", "s", *range(10), "--format", "bvecs", **self.someone)
        self.assertEqual(rows, self.content)

    def test_and_not_written(self):
        for words in [["import", "s", "a.bvecs"], ["remove", "s", 1], ["checkpoint", "s"]]:
            self.fails(*words, says="permission", **self.someone)
        self.assert_whole("s", self.content)

    def test_nothing_is_made_where_nothing_may_be(self):
        self.path("closed").mkdir()
        self.path("closed").chmod(0o555)
        self.fails("create", "closed/s", "--dim", 4, says="permission", **self.someone)
        self.fails("export", "s", "closed/o.npy", says="permission", **self.someone)
        self.assertEqual(os.listdir(self.path("closed")), [])


if __name__ == "__main__":
    unittest.main()
