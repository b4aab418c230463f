"""quire repair: looks, repairs, tells what is lost; and quire import --resume after kills at random moments."""

import random
import time
import unittest

from quire_command import QuireTest, bvecs, random_rows


class RepairTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(100, 32))
        self.write("a.bvecs", self.content)
        self.run_quire("import", "s", "a.bvecs")

    def names(self):
        return sorted(path.name for path in self.path("s").iterdir())

    def overwrite(self, name, offset, content):
        with open(self.path(name), "r+b") as file:
            file.seek(offset)
            file.write(content)

    def test_a_whole_store_is_left_as_it_is(self):
        before = self.names()
        self.assertIn("whole; nothing was changed", self.text("repair", "s", "--yes"))
        self.assertFalse(self.json("repair", "s")["needed"])
        self.assertEqual(self.names(), before)

    def test_without_yes_it_only_looks(self):
        self.flip("s/gen-1.rows", 4096 + 5 * 32)
        before = self.names()
        for words in [[], ["--dry-run"]]:
            said = self.text("repair", "s", *words, status=3)
            self.assertIn("row 5 (id 5)", said)
            self.assertIn("99 rows after a repair; nothing was changed", said)
            self.assertIn("--yes repairs it", self.error)
        self.assertEqual(self.names(), before)
        self.fails("repair", "s", "--yes", "--dry-run", status=2, says="which of the two")

    def test_a_lost_vector_is_told_and_the_rest_is_there(self):
        self.flip("s/gen-1.rows", 4096 + 5 * 32)
        self.fails("verify", "s", status=3)
        report = self.json("repair", "s", "--yes", status=3)
        self.assertTrue(report["repaired"])
        self.assertEqual((report["rows"], report["lost_vectors"]), (99, 1))
        self.assertEqual([place["id"] for place in report["damaged"]], [5])
        for name in report["kept"]:
            self.assertTrue(self.path(f"s/{name}").exists())
        self.assertIn("lost: id 5", self.path("s/repair-1.txt").read_text())
        self.assert_whole("s", self.content[:5 * 36] + self.content[6 * 36:])
        self.assertFalse(self.json("repair", "s")["needed"])

    def test_a_damaged_manifest_costs_nothing(self):
        self.flip("s/MANIFEST", 60)
        self.fails("info", "s", status=3)
        self.run_quire("repair", "s", "--yes")
        self.assert_whole("s", self.content)

        self.path("s/MANIFEST").unlink()
        self.run_quire("repair", "s", "--yes")
        self.assert_whole("s", self.content)

    def test_a_lost_entry_is_told(self):
        self.overwrite("s/gen-1.slots", 4096 + 7 * 48, bytes(48))
        said = self.text("repair", "s", "--yes", status=3)
        self.assertIn("lost: 1 change of unknown ids", said)
        self.assert_whole("s", self.content[:7 * 36] + self.content[8 * 36:])

    def test_what_is_no_store_is_refused(self):
        self.path("empty").mkdir()
        self.fails("repair", "empty", "--yes", says="no vector store here")
        self.fails("repair", "nowhere", "--yes", says="not_found")
        self.publish("s", "s.quire")
        self.fails("repair", "s.quire", says="snapshot")


class ResumeTest(QuireTest):
    def assert_resumes(self, content, row_bytes, *words):
        """Kills an import again and again at random moments; resuming ends it."""
        self.write("a.bvecs", content)
        rows = len(content) // row_bytes
        source = random.Random(rows)
        acknowledged = kills = 0
        for attempt in range(1000):
            process = self.start_import("s", "a.bvecs", "--resume", *words)
            first = process.stdout.readline()
            if attempt < 6 and first:
                time.sleep(source.random() / 100)
                process.kill()
                kills += 1
            lines = [first, *process.stdout.readlines()]
            said = [self.acknowledged(line) for line in lines if line.endswith(b"\n")]
            if said:
                self.assertGreater(said[0], acknowledged - 1)  # it goes on where it was
                acknowledged = said[-1]
            if process.wait() == 0:
                break
        self.assertGreater(kills, 2)
        self.assertEqual(acknowledged, rows)
        self.assert_whole("s", content)

    def test_small_batches(self):
        self.assert_resumes(bvecs(random_rows(20000, 4)), 8, "--batch", 10)

    def test_large_batches_by_threads(self):
        self.assert_resumes(bvecs(random_rows(4000, 8188)), 8192, "--batch", 150, "--threads", 3)

    def test_only_what_is_missing_is_imported(self):
        content = bvecs(random_rows(1000, 4))
        self.write("a.bvecs", content)
        self.write("part.bvecs", content[:400 * 8])
        self.run_quire("import", "s", "part.bvecs", "--first-id", 50)
        lsn = self.json("info", "s")["lsn"]
        said = self.text("import", "s", "a.bvecs", "--first-id", 50, "--batch", 300, "--resume")
        self.assertIn("400 rows of 1,000 were there already", said)
        self.assertIn("imported 600 rows (ids 450 to 1049)", said)
        self.assertEqual(self.json("info", "s")["lsn"], lsn + 2)
        self.assert_whole("s", content)

        self.assertIn("1,000 rows of 1,000 were there already",
                      self.text("import", "s", "a.bvecs", "--first-id", 50, "--resume"))
        self.assertEqual(self.text("import", "s", "a.bvecs", "--first-id", 50, "--resume", "--json"),
                         '{"rows": 1000}\n')
        self.assertEqual(self.json("info", "s")["lsn"], lsn + 2)

    def test_rows_that_differ_are_replaced_wherever_they_are(self):
        """An older file under the same ids shares rows with the new one, also behind the first that differs."""
        old, new = random_rows(500, 4, seed=1), random_rows(500, 4, seed=2)
        mixed = [old[i] if i % 3 or i > 400 else new[i] for i in range(500)]
        self.write("old.bvecs", bvecs(old))
        self.write("new.bvecs", bvecs(mixed))
        self.run_quire("import", "s", "old.bvecs")
        self.run_quire("import", "s", "new.bvecs", "--resume", "--batch", 7)
        self.assert_whole("s", bvecs(mixed))

    def test_nothing_is_there_yet(self):
        self.write("a.bvecs", bvecs(random_rows(10, 4)))
        self.assertIn("imported 10 rows", self.text("import", "s", "a.bvecs", "--resume"))


if __name__ == "__main__":
    unittest.main()
