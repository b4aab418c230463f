"""A snapshot holds what the store held, wherever a store is taken, and becomes a store again."""

import os
import random
import shutil
import signal
import struct
import unittest

from quire_command import QuireTest, bvecs, fvecs, npy, random_rows

NO_VECTOR = 77777


class SnapshotTest(QuireTest):
    def store(self, content, name="s"):
        """A new store of the rows of a bvecs file."""
        self.write("a.bvecs", content)
        self.run_quire("import", name, "a.bvecs")
        return name

    def neighbours(self, vectors, queries="q.bvecs"):
        return self.json("nearest", vectors, queries, "--k", 4)["neighbours"]

    def assert_same(self, one, other, ids):
        """Both hold the same vectors, `ids` among them, and find the same neighbours."""
        self.run_quire("export", one, "one.npy")
        told = self.json("export", other, "other.npy")
        self.assertEqual(self.path("one.npy").read_bytes(), self.path("other.npy").read_bytes())
        self.assertEqual(told | {"seconds": 0},
                         self.json("export", one, "one.npy") | {"seconds": 0})
        for words in [["--json"], ["--format", "npy"], []]:
            self.assertEqual(self.run_quire("get", one, *ids, *words),
                             self.run_quire("get", other, *ids, *words))
        self.fails("get", other, NO_VECTOR, says=f"{other}: not_found: no vector under id {NO_VECTOR}")
        self.run_quire("get", one, *ids[-3:], "--output", "q.npy")
        self.assertEqual(self.neighbours(one, "q.npy"), self.neighbours(other, "q.npy"))

    def names(self, folder="."):
        return sorted(os.listdir(self.path(folder)))


class PublishTest(SnapshotTest):
    def test_bytes_come_out_as_they_went_in(self):
        content = bvecs(random_rows(3000, 24))
        self.store(content)
        self.publish("s", "p.quire")
        self.assert_whole("p.quire", content)
        self.assert_same("s", "p.quire", [0, 17, 2999, 1])

    def test_so_do_floats(self):
        source = random.Random(3)
        rows = [[source.gauss(0, 1) for _ in range(7)] for _ in range(500)]
        content = npy("<f4", 500, 7, b"".join(struct.pack("<7f", *row) for row in rows))
        self.write("f.npy", content)
        self.run_quire("import", "s", "f.npy")
        self.publish("s", "p.quire", "--block-bytes", 300)
        self.run_quire("export", "p.quire", "o.npy")
        self.assertEqual(self.path("o.npy").read_bytes(), content)
        self.assert_same("s", "p.quire", [499, 0, 250])

    def test_ids_with_gaps(self):
        self.write("a.bvecs", bvecs(random_rows(300, 5)))
        for first in [0, 1000, 70000, 2**40, 2**64 - 300]:
            self.run_quire("import", "s", "a.bvecs", "--first-id", first)
        self.run_quire("remove", "s", *range(1, 300, 3), 2**40 + 7)
        self.publish("s", "p.quire", "--block-bytes", 50)
        self.assert_same("s", "p.quire", [0, 2, 1299, 70000, 2**40 + 8, 2**64 - 1])
        self.fails("get", "p.quire", 1, 2**40 + 7, says=f"no vector under ids 1, {2**40 + 7}")
        info = self.json("info", "p.quire")
        self.assertEqual((info["rows"], info["first_id"], info["last_id"]),
                         (1399, 0, 2**64 - 1))

    def test_a_store_without_rows(self):
        self.run_quire("create", "s", "--dim", 3)
        self.assertEqual(self.json("snapshot", "create", "s", "p.quire")["rows"], 0)
        info = self.json("info", "p.quire")
        self.assertEqual((info["rows"], info["blocks"], info["first_id"], info["dimension"]),
                         (0, 0, None, 3))
        self.assertIn("ids             none\n", self.text("info", "p.quire"))
        self.assertEqual(self.json("verify", "p.quire"), {"ok": True, "rows": 0, "damaged": []})
        self.run_quire("export", "p.quire", "o.npy")
        self.assertEqual(self.path("o.npy").read_bytes(), npy("<f4", 0, 3, b""))
        self.fails("get", "p.quire", 0, says="no vector under id 0")
        self.write("q.fvecs", fvecs([[1, 2, 3]]))
        self.assertEqual(self.neighbours("p.quire", "q.fvecs"), [[]])
        self.assertEqual(self.json("restore", "p.quire", "r")["rows"], 0)
        self.assertEqual(self.json("info", "r")["dimension"], 3)

    def test_what_is_told(self):
        self.store(bvecs(random_rows(2000, 4)))
        told = self.json("snapshot", "create", "s", "p.quire")
        self.assertEqual(" ".join(told), "rows bytes lsn snapshot_id seconds")
        self.assertEqual((told["rows"], told["bytes"], told["lsn"]),
                         (2000, self.path("p.quire").stat().st_size, 1))
        self.assertRegex(told["snapshot_id"], r"\A[0-9a-f]{32}\Z")
        self.assertRegex(self.text("snapshot", "create", "s", "p.quire"),
                         r"\Apublished 2,000 rows as p\.quire \([\d.]+ KiB\) in [\d.]+ (µs|ms|s): "
                         r"[\d,.]+ rows/s\n\Z")
        self.assertEqual(self.text("verify", "p.quire"),
                         "p.quire: 2,000 rows and every part of the file are whole\n")

    def test_info(self):
        self.store(bvecs(random_rows(2000, 4)))
        told = self.json("snapshot", "create", "s", "p.quire", "--codec", "none",
                         "--block-bytes", 1203)
        info = self.json("info", "p.quire")
        self.assertEqual(" ".join(info), "kind rows dimension type first_id last_id snapshot_id"
                         " parent store_id lsn created codec block_rows blocks bytes format_version")
        for name in ["rows", "bytes", "lsn", "snapshot_id"]:
            self.assertEqual(info[name], told[name])
        self.assertEqual((info["kind"], info["type"], info["codec"]), ("snapshot", "u8", "none"))
        self.assertEqual((info["first_id"], info["last_id"], info["parent"]), (0, 1999, None))
        self.assertEqual((info["block_rows"], info["blocks"]), (300, 7))  # 1,203 / 4 rows, whole ones
        self.assertRegex(info["created"], r"\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")
        text = self.text("info", "p.quire")
        self.assertTrue(text.startswith("snapshot        p.quire\nrows            2,000\n"))
        self.assertIn("blocks          7 of up to 300 rows\n", text)

    def test_it_stays_what_it_was(self):
        content = bvecs([b"\1", b"\2", b"\3"])
        self.store(content)
        self.publish("s", "p.quire")
        self.run_quire("remove", "s", 1)
        self.assert_whole("p.quire", content)
        self.run_quire("export", "s", "o.bvecs")
        self.assertEqual(self.path("o.bvecs").read_bytes(), bvecs([b"\1", b"\3"]))

    def test_beside_a_writer(self):
        content = bvecs(random_rows(20000, 4))
        self.write("a.bvecs", content)
        writer = self.start_import("s", "a.bvecs", "--batch", 1)
        for _ in range(4):
            for _ in range(100):
                acknowledged = self.acknowledged(writer.stdout.readline())
            told = self.json("snapshot", "create", "s", "p.quire")
            self.assertGreaterEqual(told["rows"], acknowledged)
            self.assertEqual(told["lsn"], told["rows"])  # each batch is a row
            self.assert_whole("p.quire", content[:told["rows"] * 8])
        self.assertIsNone(writer.poll())


class DestinationTest(SnapshotTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(100, 4))
        self.store(self.content)

    def test_in_no_directory(self):
        self.fails("snapshot", "create", "s", "no/p.quire", says="not_found")
        self.assertFalse(self.path("no").exists())

    def test_a_directory(self):
        self.path("d").mkdir()
        for name in ["d", "s"]:
            self.fails("snapshot", "create", "s", name, says="invalid_argument")
        self.assertEqual(self.names("d"), [])
        self.assert_whole("s", self.content)

    def test_what_is_there_is_replaced_unless_asked_not_to(self):
        self.write("p.quire", b"mine")
        self.fails("snapshot", "create", "s", "p.quire", "--no-replace", says="exists")
        self.assertEqual(self.path("p.quire").read_bytes(), b"mine")
        self.publish("s", "p.quire")
        self.assert_whole("p.quire", self.content)
        self.publish("s", "new.quire", "--no-replace")
        self.assert_whole("new.quire", self.content)
        self.assertFalse(any(self.home.glob("*.quire-partial*")))

    def test_where_nothing_may_be_made(self):
        self.path("closed").mkdir()
        self.path("closed").chmod(0o555)
        someone = self.without_root()
        self.fails("snapshot", "create", "s", "closed/p.quire", says="permission", **someone)
        self.assertEqual(self.names("closed"), [])

    def test_no_snapshot_is_made_of_a_damaged_store(self):
        self.publish("s", "p.quire")
        before = self.path("p.quire").read_bytes()
        self.flip("s/gen-1.rows", 4096 + 4 * 7)
        self.fails("snapshot", "create", "s", "p.quire", status=3, says="(id 7)")
        self.assertEqual(self.path("p.quire").read_bytes(), before)

    def test_what_is_no_store(self):
        self.publish("s", "p.quire")
        self.fails("snapshot", "create", "p.quire", "x.quire", says="this is a snapshot, no store")
        self.fails("snapshot", "create", "none", "x.quire", says="not_found")
        self.assertFalse(self.path("x.quire").exists())


class StoppedCreateTest(SnapshotTest):
    """Stopped while it writes: what was there before is whole."""

    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(1000, 16380))
        self.store(self.content)
        self.create = ["snapshot", "create", "s", "p.quire"]
        self.before = None

    def stop(self, stop, is_half_way):
        def write_old():
            self.path("p.quire").unlink(missing_ok=True)
            if self.before is not None:
                self.write("p.quire", self.before)
        return self.stop_half_way(stop, self.create, write_old, "p.quire.quire-partial", is_half_way)

    def test_killed(self):
        self.before = b"the old file"
        partial = self.path("p.quire.quire-partial")
        self.stop(signal.SIGKILL, lambda status: partial.exists())
        self.assertEqual(self.path("p.quire").read_bytes(), b"the old file")
        self.publish("s", "p.quire")
        self.assertFalse(partial.exists())
        self.assert_whole("p.quire", self.content)

    def test_interrupted(self):
        for stop, before in [(signal.SIGINT, None), (signal.SIGTERM, b"the old file")]:
            self.before = before
            error = self.stop(stop, lambda status, wanted=128 + stop: status == wanted)
            self.assertEqual(error, "quire: snapshot create: interrupted; no snapshot was made\n")
            self.assertFalse(self.path("p.quire.quire-partial").exists())
            self.assertEqual(self.path("p.quire").exists(), before is not None)


class RestoreTest(SnapshotTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(500, 6))
        self.store(self.content)
        self.run_quire("import", "s", "a.bvecs", "--first-id", 9000)
        self.run_quire("remove", "s", 3, 9100)
        self.publish("s", "p.quire", "--block-bytes", 100)

    def test_the_store_is_as_the_one_it_came_from(self):
        told = self.json("restore", "p.quire", "r")
        self.assertEqual(" ".join(told), "rows left_out seconds")
        self.assertEqual((told["rows"], told["left_out"]), (998, []))
        self.assertTrue(self.json("verify", "r")["ok"])
        self.assert_same("s", "r", [0, 4, 9000, 9499])
        self.publish("r", "again.quire")
        self.assert_same("s", "again.quire", [0, 4, 9000, 9499])

    def test_what_is_told(self):
        self.assertRegex(self.text("restore", "p.quire", "r", "--salvage"),
                         r"\Arestored 998 rows to r in [\d.]+ (µs|ms|s): [\d,.]+ rows/s\n\Z")

    def test_it_can_be_written(self):
        self.path("r").mkdir()
        self.run_quire("restore", "p.quire", "r", "--durability", "process_crash")
        self.assertEqual(self.json("info", "r")["durability"], "process_crash")
        self.run_quire("remove", "r", *range(9000, 9100), *range(9101, 9500))
        self.run_quire("import", "r", "a.bvecs")
        self.assert_whole("r", self.content)

    def test_a_place_that_is_taken_is_left_alone(self):
        self.path("other").mkdir()
        self.write("other/notes.txt", b"mine")
        self.fails("restore", "p.quire", "other", says="exists")
        self.assertEqual(self.names("other"), ["notes.txt"])
        before = {name: self.path("s/" + name).read_bytes() for name in self.names("s")}
        self.fails("restore", "p.quire", "s", says="exists")
        self.assertEqual({name: self.path("s/" + name).read_bytes() for name in self.names("s")},
                         before)
        self.fails("restore", "p.quire", "p.quire")
        self.assertTrue(self.json("verify", "p.quire")["ok"])

    def test_no_such_places(self):
        self.fails("restore", "p.quire", "no/r", says="not_found")
        self.fails("restore", "none", "r", says="not_found")
        self.fails("restore", "s", "r", says="invalid_argument")
        self.assertFalse(self.path("r").exists())


class StoppedRestoreTest(SnapshotTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs(random_rows(1000, 16380))
        self.publish(self.store(self.content), "p.quire")

    def stop(self, stop, is_half_way):
        return self.stop_half_way(stop, ["restore", "p.quire", "r"],
                                  lambda: shutil.rmtree(self.path("r"), ignore_errors=True),
                                  "r/gen-1.rows", is_half_way)

    def assert_none_there_and_the_next_works(self):
        self.fails("info", "r", says="not_found")
        self.run_quire("restore", "p.quire", "r")
        self.assert_whole("r", self.content)

    def test_killed(self):
        self.stop(signal.SIGKILL, lambda status: not self.path("r/MANIFEST").exists())
        self.assertTrue(self.path("r/gen-1.rows").exists())
        self.assert_none_there_and_the_next_works()

    def test_interrupted(self):
        error = self.stop(signal.SIGINT, lambda status: status == 130)
        self.assertEqual(error, "quire: restore: interrupted; no store was made\n")
        self.assert_none_there_and_the_next_works()


class UnchangeableTest(SnapshotTest):
    def test_commands_that_write_say_so(self):
        self.publish(self.store(bvecs(random_rows(10, 4))), "p.quire")
        before = self.path("p.quire").read_bytes()
        for words in [["import", "p.quire", "a.bvecs"], ["import", "p.quire", "a.raw"],
                      ["remove", "p.quire", 1], ["checkpoint", "p.quire"]]:
            self.fails(*words, says="p.quire: wrong_mode: this is a snapshot")
            self.assertIn("cannot be changed", self.error)
        self.fails("create", "p.quire", "--dim", 4, says="p.quire")
        self.assertEqual(self.path("p.quire").read_bytes(), before)

    def test_it_needs_no_permission_to_write(self):
        content = bvecs(random_rows(10, 4))
        self.publish(self.store(content), "p.quire")
        self.path("p.quire").chmod(0o444)
        someone = self.without_root()
        self.assertTrue(self.json("verify", "p.quire", **someone)["ok"])
        rows = self.run_quire("get", "p.quire", *range(10), "--format", "bvecs", **someone)
        self.assertEqual(rows, content)
        self.path("p.quire").chmod(0)
        self.fails("info", "p.quire", says="permission", **someone)


if __name__ == "__main__":
    unittest.main()
