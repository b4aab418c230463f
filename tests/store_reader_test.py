"""A second reader, written from docs/formats/vector-store.md alone, reads what the library writes: new, removed,
large, crashed and compacted stores, and the document's own example; and refuses damage."""

import io
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import unittest

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from churn_processes import Writer  # noqa: E402
from quire_command import QuireTest, bvecs, fvecs, random_rows  # noqa: E402
from store_reader import (Damage, Newer, files_of_hex, read_control_page, read_store,  # noqa: E402
                          write_hex)
from xxh3 import checksum  # noqa: E402

DOCUMENT = HERE.parent / "docs" / "formats" / "vector-store.md"


class ChecksumTest(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(checksum(b""), 0x2D06800538D394C2)


class ReaderTest(QuireTest):
    def exported(self, store):
        """All rows, as the command exports them."""
        self.run_quire("export", store, "rows.npy")
        return np.load(self.path("rows.npy"))

    def assert_same(self, store, ids=None):
        """The reader sees what the command exports; without recovering, so that both see the same."""
        read = read_store(self.path(store))
        self.assertEqual(read.lsn, self.json("info", store)["lsn"])
        exported = self.exported(store) if len(read.ids) else np.empty((0, read.rows.shape[1]))
        self.assertTrue(np.array_equal(read.rows.view(np.uint8), exported.view(np.uint8)
                                       if len(exported) else read.rows.view(np.uint8)[:0]))
        if ids is not None:
            self.assertEqual(read.ids.tolist(), ids)
        return read

    def crash(self, name, seed, until, *more):
        """A store that was churned up to a batch, then left as a kill leaves it."""
        subprocess.run([os.environ["QUIRE_STORE_WRITER"], "write", str(self.path(name)), str(seed),
                        str(until), *more], check=True, stdout=subprocess.DEVNULL)


class WholeStoreTest(ReaderTest):
    def test_an_empty_store(self):
        for element_type in ["f32", "u8"]:
            self.run_quire("create", element_type, "--dim", 3, "--type", element_type)
            self.assert_same(element_type, ids=[])

    def test_imported_replaced_and_removed(self):
        self.write("a.fvecs", fvecs([[i, i / 3, -i] for i in range(500)]))
        self.write("b.fvecs", fvecs([[-i, i, 0] for i in range(100)]))
        self.run_quire("import", "s", "a.fvecs", "--first-id", 1000)
        self.run_quire("import", "s", "b.fvecs", "--first-id", 1450, "--batch", 7)
        self.run_quire("remove", "s", 1000, 1234, 1549)
        ids = [id for id in range(1000, 1550) if id not in (1000, 1234, 1549)]
        read = self.assert_same("s", ids)
        self.assertEqual(read.rows[ids.index(1003)].tolist(), [3.0, 1.0, -3.0])
        self.assertEqual(read.rows[ids.index(1453)].tolist(), [-3.0, 3.0, 0.0])

    def test_rows_of_every_length_of_checksum(self):
        """Each way in which XXH3 treats a length: to 3, 8, 16, 128, 240, a stripe, blocks."""
        for dimension in [*range(1, 20), 31, 32, 33, 64, 65, 127, 128, 129, 160, 240, 241, 256, 300,
                          1023, 1024, 1025, 1088, 5000]:
            self.write("a.bvecs", bvecs(random_rows(3, dimension)))
            self.run_quire("import", f"s{dimension}", "a.bvecs")
            self.assert_same(f"s{dimension}", ids=[0, 1, 2])

    def test_large_batches_by_many_threads(self):
        self.write("a.bvecs", bvecs(random_rows(3000, 2044)))
        self.run_quire("import", "s", "a.bvecs", "--threads", 4, "--batch", 600)
        self.assert_same("s", ids=list(range(3000)))

    def test_a_restored_store(self):
        self.write("a.bvecs", bvecs(random_rows(300, 20)))
        self.run_quire("import", "s", "a.bvecs", "--first-id", 2**63)
        self.publish("s", "s.quire")
        self.run_quire("restore", "s.quire", "r")
        self.assert_same("r", ids=list(range(2**63, 2**63 + 300)))

    def test_a_compacted_store(self):
        self.crash("s", 5, 700)
        self.run_quire("compact", "s")
        read = self.assert_same("s")
        self.assertGreater(read.manifest.generation, 1)


class CrashedStoreTest(ReaderTest):
    def test_crashes_of_a_churn(self):
        for seed, until in [(1, 1), (2, 3), (3, 150), (4, 400), (5, 1100)]:
            for durability in ["power_loss", "process_crash"]:
                with self.subTest(seed=seed, durability=durability):
                    name = f"s{seed}-{durability}"
                    self.crash(name, seed, until, "u8", durability)
                    self.assertEqual(self.assert_same(name).lsn, until)
                    self.run_quire("checkpoint", name)
                    self.assertEqual(self.assert_same(name).lsn, until)

    def test_a_killed_import(self):
        self.write("a.bvecs", bvecs(random_rows(20000, 12)))
        for lines in [1, 40, 300]:
            process = self.start_import(f"s{lines}", "a.bvecs", "--batch", 3)
            for _ in range(lines):
                process.stdout.readline()
            process.kill()
            process.wait()
            self.assert_same(f"s{lines}")

    def test_a_torn_tail_is_dropped(self):
        self.crash("s", 9, 30, "u8", "process_crash")
        before = read_store(self.path("s"))
        self.tear_last_record("s")
        read = self.assert_same("s")
        self.assertEqual(read.lsn, before.lsn - 1)
        self.assertGreater(read.dropped_bytes, 0)

    def test_a_torn_record_before_an_empty_log_is_damage(self):
        """If the empty log says that the one before it was durable; else it is a torn tail."""
        self.crash("s", 9, 30, "u8", "process_crash")
        lsn = read_store(self.path("s")).lsn
        empty = self.add_empty_log("s", lsn + 1, lsn)
        self.assertEqual(self.assert_same("s").lsn, lsn)
        empty.unlink()
        self.tear_last_record("s")
        empty = self.add_empty_log("s", lsn + 1, 0)
        self.assertEqual(self.assert_same("s").lsn, lsn - 1)
        empty.unlink()
        self.add_empty_log("s", lsn + 1, lsn)
        with self.assertRaises(Damage):
            read_store(self.path("s"))
        done = subprocess.run([self.quire, "verify", "s"], cwd=self.home, capture_output=True,
                              check=False)
        self.assertNotEqual(done.returncode, 0)

    def add_empty_log(self, store, first_lsn, durable_lsn):
        """A log behind the last one: its header with another number, salt and LSNs."""
        logs = {int(path.stem.removeprefix("log-")): path for path in self.path(store).glob("log-*.wal")}
        number = max(logs) + 1
        header = bytearray(logs[number - 1].read_bytes()[:4096])
        struct.pack_into("<Q", header, 32, number)
        struct.pack_into("<QQ", header, 48, 12345, first_lsn)
        struct.pack_into("<Q", header, 80, durable_lsn)
        struct.pack_into("<Q", header, 4088, checksum(bytes(header[:4088])))
        path = self.path(store) / f"log-{number}.wal"
        path.write_bytes(header)
        return path

    def tear_last_record(self, store):
        log = max(self.path(store).glob("log-*.wal"))
        data = log.read_bytes()
        end = data.rindex(b"QUIREEND")
        with open(log, "r+b") as file:
            file.seek(end)
            file.write(bytes(8))


class DamagedStoreTest(ReaderTest):
    def setUp(self):
        super().setUp()
        self.crash("s", 7, 220)
        self.before = read_store(self.path("s"))

    def test_whatever_byte_is_flipped_both_say_the_same(self):
        """Where one refuses, both do; else both show the same."""
        source = random.Random(1)
        for path in sorted(self.path("s").iterdir()):
            used = path.read_bytes().rstrip(b"\0")
            if path.name == "LOCK" or not used:  # a spare log is all zeros
                continue
            for offset in [*range(0, 96, 5), *(source.randrange(len(used)) for _ in range(40))]:
                self.flip(f"s/{path.name}", offset)
                with self.subTest(file=path.name, offset=offset):
                    self.assert_both_say_the_same()
                self.flip(f"s/{path.name}", offset)

    def assert_both_say_the_same(self):
        done = subprocess.run([self.quire, "verify", "s"], cwd=self.home, capture_output=True,
                              check=False)
        try:
            read = read_store(self.path("s"))
        except (Damage, Newer):
            self.assertNotEqual(done.returncode, 0)
            return
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertTrue(np.array_equal(read.rows, self.exported("s")))


class DocumentTest(ReaderTest):
    """The bytes in the document are a store: both readers open it."""

    def setUp(self):
        super().setUp()
        text = DOCUMENT.read_text(encoding="utf-8")
        self.hex = re.search(r"^```text\n(MANIFEST: .*?)^```", text, re.M | re.S)[1]
        self.path("example").mkdir()
        for name, data in files_of_hex(self.hex).items():
            self.path(f"example/{name}").write_bytes(data)

    def test_the_second_reader_reads_it(self):
        read = read_store(self.path("example"))
        self.assertEqual(read.ids.tolist(), [7, 9])
        self.assertEqual(read.rows.tolist(), [[10, 20], [30, 40]])
        self.assertEqual((read.lsn, read.manifest.checkpoint_lsn), (2, 1))

    def test_the_command_reads_it(self):
        self.assertEqual(self.text("get", "example", 7, 9), "7: 10 20\n9: 30 40\n")
        self.assertTrue(self.json("verify", "example")["ok"])
        self.assert_same("example", ids=[7, 9])
        self.run_quire("checkpoint", "example")
        self.assert_same("example", ids=[7, 9])

    def test_it_is_shown_as_the_command_shows_files(self):
        shown = io.StringIO()
        write_hex(self.path("example"), shown)
        self.assertEqual(shown.getvalue(), self.hex)


class ControlPageTest(ReaderTest):
    def test_a_writer_tells_its_last_batch(self):
        writer = Writer(self.path("s"), 11)
        self.addCleanup(writer.process.kill)
        writer.wait_for(50)
        writer.stop()
        acknowledged = writer.acknowledged
        page = read_control_page(self.path("s"))
        self.assertIsNotNone(page)
        self.assertGreaterEqual(page[1], acknowledged)
        writer.go_on()
        writer.kill()
        self.assertGreaterEqual(read_store(self.path("s")).lsn, page[1])

    def test_a_store_that_was_closed_tells_nothing_that_is_wrong(self):
        self.run_quire("create", "s", "--dim", 2, "--type", "u8")
        self.assertIn(read_control_page(self.path("s")), [None, (1, 0)])


if __name__ == "__main__":
    unittest.main()
