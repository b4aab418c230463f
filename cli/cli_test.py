"""Every command of quire does what its help says."""

import json
import os
import pty
import struct
import subprocess
import time
import unittest

from quire_command import DATA, QuireTest, bvecs, fvecs, ivecs, npy, random_rows

COMMANDS = ["create", "import", "remove", "info", "stats", "get", "export", "nearest", "restore", "verify",
            "repair", "checkpoint", "compact"]


class HelpTest(QuireTest):
    def test_the_list_has_every_command(self):
        text = self.text("--help")
        for command in [*COMMANDS, "snapshot"]:
            self.assertRegex(text, rf"(?m)^  {command} +[A-Z]")

    def test_each_command_explains_itself_with_an_example(self):
        for command in [*COMMANDS, "snapshot create"]:
            text = self.text(*command.split(), "--help")
            self.assertIn("Example", text)
            self.assertIn(f"  quire {command} ", text)
            self.assertIn("--json", text)

    def test_a_command_of_commands_lists_them(self):
        text = self.text("snapshot", "--help")
        self.assertRegex(text, r"(?m)^  create +[A-Z]")
        self.assertIn("  quire snapshot create ", text)

    def test_version(self):
        self.assertRegex(self.text("--version"), r"\Aquire \d+\.\d+\.\d+\n\Z")


class UsageTest(QuireTest):
    def test_wrong_usage_is_status_2_and_makes_nothing(self):
        for words in [
            [],                                             # no command
            ["frobnicate"],                                 # none of ours
            ["--frobnicate"],
            ["info"],                                       # no DIR
            ["info", "s", "extra"],
            ["create", "s"],                                # no --dim
            ["create", "s", "--dim", "0"],
            ["create", "s", "--dim", "65537"],
            ["create", "s", "--dim", "-4"],
            ["create", "s", "--dim", "4x"],
            ["create", "s", "--dim", "4", "--type", "f64"],
            ["create", "s", "--dim", "4", "--durability", "none"],
            ["import", "s", "x.raw"],                       # raw without dimension and type
            ["import", "s", "x.raw", "--dim", "4"],
            ["import", "s", "x.npy", "--batch", "0"],
            ["import", "s", "x.npy", "--threads", "0"],
            ["import", "s", "x.npy", "--format", "csv"],
            ["import", "s", "x.npy", "--first-id", "18446744073709551616"],
            ["get", "s"],
            ["get", "s", "-1"],
            ["get", "s", "0x10"],
            ["get", "s", "1", "--format", "json"],
            ["get", "s", "1", "--format", "npy", "--json"],
            ["export", "s", "rows.txt"],                    # a name that tells no format
            ["snapshot"],                                   # no command of it
            ["snapshot", "frobnicate"],
            ["snapshot", "create", "s"],                    # no DEST
            ["snapshot", "create", "s", "d", "extra"],
            ["snapshot", "create", "s", "d", "--codec", "zip"],
            ["snapshot", "create", "s", "d", "--block-bytes", "0"],
            ["snapshot", "create", "s", "d", "--block-bytes", "16777217"],
            ["restore", "d"],                               # no DIR
            ["restore", "d", "s", "--durability", "none"],
            ["nearest", "s", "q.bvecs"],                    # no --k
            ["nearest", "s", "q.bvecs", "--k", "0"],
            ["nearest", "s", "q.bvecs", "--k", "1", "--metric", "manhattan"],
        ]:
            with self.subTest(words=words):
                self.fails(*words, status=2)
        self.assertEqual(list(self.home.iterdir()), [])

    def test_the_words_that_are_known_are_told(self):
        self.fails("snapshot", "create", "s", "d", "--codec", "zip", status=2,
                   says="--codec: 'zip' is not one of these: none (see quire snapshot create --help)")
        self.fails("create", "s", "--dim", 4, "--type", "f64", status=2,
                   says="--type: 'f64' is not one of these: f32|f16|bf16|i8|u8|b1 (see quire create --help)")
        self.fails("snapshot", "zip", status=2, says="no command 'snapshot zip'")

    def test_ids_are_decimal(self):
        self.write("rows.bvecs", bvecs(random_rows(12, 2)))
        self.run_quire("import", "s", "rows.bvecs")
        self.assertTrue(self.text("get", "s", "010").startswith("10: "))


class CreateAndInfoTest(QuireTest):
    def test_a_new_store_is_as_asked_for(self):
        made = self.json("create", "s", "--dim", 3, "--type", "u8", "--durability", "process_crash")
        self.assertEqual(made, {"directory": "s", "dimension": 3, "type": "u8",
                                "durability": "process_crash"})
        info = self.json("info", "s")
        self.assertEqual(" ".join(info), "kind rows dimension type durability generation fragmentation"
                         " bytes_on_disk format_version lsn checkpoint_lsn log_bytes")
        self.assertEqual((info["kind"], info["rows"], info["dimension"], info["type"]),
                         ("vector_store", 0, 3, "u8"))
        self.assertEqual((info["durability"], info["format_version"]), ("process_crash", 1))

    def test_the_defaults_are_f32_and_power_loss(self):
        self.assertEqual(self.text("create", "s", "--dim", 3),
                         "created s: dimension 3, f32, power_loss\n")
        self.assertIn("durability      power_loss\n", self.text("info", "s"))

    def test_a_store_is_not_made_twice(self):
        self.run_quire("create", "s", "--dim", 3)
        self.fails("create", "s", "--dim", 3, says="exists")


class RoundTripTest(QuireTest):
    """A file that was imported comes out of export byte by byte, in every format."""

    def assert_round_trip(self, name, content, *words):
        self.write(name, content)
        self.run_quire("import", "s", name, *words)
        self.run_quire("export", "s", "out-" + name)
        self.assertEqual(self.path("out-" + name).read_bytes(), content)

    def test_bvecs(self):
        self.assert_round_trip("a.bvecs", bvecs(random_rows(1000, 5)), "--batch", 7)

    def test_fvecs(self):
        special = [0.0, -0.0, 1e-45, 3.4e38, float("inf"), float("nan")]
        self.assert_round_trip("a.fvecs", fvecs([special, [1, 2, 3, 4, 5, 6]]))

    def test_npy_of_floats(self):
        elements = struct.pack("<6f", 1, 2, 3, 4, 5, 6)
        self.assert_round_trip("a.npy", npy("<f4", 3, 2, elements))

    def test_npy_of_bytes(self):
        self.assert_round_trip("a.npy", npy("|u1", 100, 3, b"".join(random_rows(100, 3))))

    def test_npy_without_rows(self):
        self.assert_round_trip("a.npy", npy("<f4", 0, 7, b""))
        self.assertEqual(self.json("info", "s")["dimension"], 7)

    def test_raw(self):
        self.assert_round_trip("a.raw", bytes(range(60)), "--dim", 4, "--type", "u8")

    def test_raw_into_a_store_that_cannot_be_opened(self):
        self.write("rows.raw", bytes(60))
        self.run_quire("create", "s", "--dim", 4, "--type", "u8")
        self.path("s/MANIFEST").write_bytes(b"no manifest")
        self.fails("import", "s", "rows.raw", status=3, says="MANIFEST")

    def test_raw_into_a_store_that_knows_its_dimension(self):
        self.run_quire("create", "s", "--dim", 4, "--type", "u8")
        self.assert_round_trip("a.raw", bytes(range(60)))
        self.assertEqual(self.json("info", "s")["rows"], 15)

    def test_real_descriptors(self):
        self.assert_round_trip("a.bvecs", (DATA / "base_10k.bvecs").read_bytes())

    def test_batches_larger_than_the_readers_block(self):
        self.assert_round_trip("a.bvecs", bvecs(random_rows(300, 32768)), "--batch", 250)
        self.assertEqual(self.json("info", "s")["lsn"], 2)

    def test_a_format_may_be_named(self):
        content = bvecs(random_rows(3, 4))
        self.write("rows", content)
        self.run_quire("import", "s", "rows", "--format", "bvecs")
        self.run_quire("export", "s", "out", "--format", "bvecs")
        self.assertEqual(self.path("out").read_bytes(), content)


class ImportTest(QuireTest):
    def test_each_batch_is_acknowledged_in_a_line(self):
        self.write("a.bvecs", bvecs(random_rows(10, 2)))
        for durability in ["power_loss", "process_crash", "checkpoint_only"]:
            lines = self.text("import", durability, "a.bvecs", "--batch", 4, "--json",
                              "--durability", durability)
            self.assertEqual(lines, '{"rows": 4}\n{"rows": 8}\n{"rows": 10}\n')
            self.assertEqual(self.json("info", durability)["durability"], durability)

    def test_people_get_numbers_with_units(self):
        self.write("a.bvecs", bvecs(random_rows(2000, 2)))
        text = self.text("import", "s", "a.bvecs", "--batch", 500, "--first-id", 5)
        time_taken = r"[\d.]+ (µs|ms|s)"
        self.assertRegex(text, rf"\Aimported 2,000 rows \(ids 5 to 2004\) in {time_taken}: "
                               rf"[\d,.]+ rows/s\n"
                               rf"batch latency: p50 {time_taken}, p99 {time_taken} "
                               rf"\(4 batches of up to 500 rows\)\n\Z")
        self.assertEqual(self.error, "")

    def test_any_number_of_threads_stores_the_same(self):
        content = bvecs(random_rows(1500, 8188))
        self.write("a.bvecs", content)
        for words in [[], ["--batch", 200]]:
            for threads in [1, 2, 4, 9]:
                store = f"s{len(words)}-{threads}"
                lines = self.text("import", store, "a.bvecs", "--threads", threads, "--json", *words)
                rows = [json.loads(line)["rows"] for line in lines.splitlines()]
                self.assertEqual(rows, [200, 400, 600, 800, 1000, 1200, 1400, 1500] if words
                                 else [512, 1024, 1500])
                self.assert_whole(store, content)
                self.assertEqual(self.json("info", store)["fragmentation"], 0)
                self.assertEqual((self.path(store) / "gen-1.rows").stat().st_size,
                                 4096 + 1500 * 8188)

    def test_ids_count_from_the_first(self):
        self.write("a.bvecs", bvecs([b"\1\2", b"\3\4"]))
        last = 2**64 - 1
        self.run_quire("import", "s", "a.bvecs", "--first-id", last - 1)
        self.assertEqual(self.text("get", "s", last, last - 1), f"{last}: 3 4\n{last - 1}: 1 2\n")

    def test_a_second_import_adds_or_replaces(self):
        self.write("a.bvecs", bvecs([b"\1", b"\2", b"\3"]))
        self.write("b.bvecs", bvecs([b"\7", b"\7"]))
        self.run_quire("import", "s", "a.bvecs")
        self.run_quire("import", "s", "b.bvecs", "--first-id", 2)
        self.assert_whole("s", bvecs([b"\1", b"\2", b"\7", b"\7"]))

    def test_a_bar_on_a_terminal_and_none_in_a_pipe(self):
        self.write("a.bvecs", bvecs(random_rows(1000, 2)))
        terminal, its_end = pty.openpty()
        process = subprocess.Popen(
            [self.quire, "import", "s", "a.bvecs", "--batch", "1", "--json"], cwd=self.home,
            stdout=subprocess.PIPE, stderr=its_end, pipesize=4096,
            env={**os.environ, "TERM": "xterm"})
        os.close(its_end)
        time.sleep(0.5)  # it waits for a reader, and the bar is due
        process.stdout.read()
        shown = os.read(terminal, 10000).decode()
        self.assertEqual(process.wait(), 0)
        process.stdout.close()
        os.close(terminal)
        self.assertRegex(shown, r"importing \[#*-*\] +\d+ %  [\d,.]+ rows/s  [\d.:]+( \S+)? left")
        self.run_quire("import", "t", "a.bvecs", "--batch", 1)
        self.assertEqual(self.error, "")


class GetTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.content = bvecs([b"\1\2", b"\3\4", b"\5\6"])
        self.write("a.bvecs", self.content)
        self.run_quire("import", "s", "a.bvecs")

    def test_text_is_a_line_for_each_id_in_the_order_given(self):
        self.assertEqual(self.text("get", "s", 2, 0, 2), "2: 5 6\n0: 1 2\n2: 5 6\n")

    def test_json_is_a_line_for_each_id(self):
        lines = self.text("get", "s", 2, 0, "--json").splitlines()
        self.assertEqual([json.loads(line) for line in lines],
                         [{"id": 2, "vector": [5, 6]}, {"id": 0, "vector": [1, 2]}])

    def test_floats_are_shown_as_short_as_they_can_be_read_back(self):
        self.write("f.fvecs", fvecs([[0.1, -2, 1e30]]))
        self.run_quire("import", "f", "f.fvecs")
        self.assertEqual(self.text("get", "f", 0), "0: 0.1 -2 1e+30\n")

    def test_vector_files_go_to_a_file_or_a_pipe(self):
        wanted = npy("|u1", 2, 2, b"\5\6\1\2")
        self.assertEqual(self.run_quire("get", "s", 2, 0, "--format", "npy"), wanted)
        self.assertEqual(self.run_quire("get", "s", 2, 0, "--output", "two.npy"), b"")
        self.assertEqual(self.path("two.npy").read_bytes(), wanted)
        self.assertEqual(self.run_quire("get", "s", 0, 1, 2, "--format", "bvecs"), self.content)

    def test_text_goes_to_a_file_too(self):
        self.run_quire("get", "s", 1, "--output", "one.txt")
        self.assertEqual(self.path("one.txt").read_text(), "1: 3 4\n")
        self.fails("get", "s", 1, "--output", "no/one.txt", says="no/one.txt")

    def test_absent_ids_are_listed_and_the_others_shown(self):
        self.assertEqual(self.text("get", "s", 9, 1, 8, status=1), "1: 3 4\n")
        self.assertIn("no vector under ids 9, 8", self.error)

    def test_no_file_is_made_that_lacks_an_id(self):
        self.fails("get", "s", 1, 9, "--output", "x.npy", says="no vector under id 9")
        self.assertFalse(self.path("x.npy").exists())

    def test_bytes_for_floats_are_refused(self):
        self.fails("get", "s", 1, "--output", "x.fvecs", says="fvecs")


class RemoveAndExportTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.write("a.bvecs", bvecs([b"\0", b"\1", b"\2", b"\3"]))
        self.run_quire("import", "s", "a.bvecs")

    def test_remove_says_how_many(self):
        self.assertEqual(self.text("remove", "s", 0, 2, 0), "removed 2 vectors\n")
        self.assert_whole("s", bvecs([b"\1", b"\3"]))

    def test_absent_ids_are_reported_and_the_others_removed(self):
        self.assertEqual(self.json("remove", "s", 3, 7, status=1), {"removed": 1, "absent": [7]})
        self.assertIn("no vector under id 7", self.error)
        self.assert_whole("s", bvecs([b"\0", b"\1", b"\2"]))

    def test_export_tells_which_ids(self):
        told = self.json("export", "s", "o.npy")
        told.pop("seconds")
        self.assertEqual(told, {"rows": 4, "first_id": 0, "last_id": 3, "consecutive": True})
        self.run_quire("remove", "s", 1)
        self.assertFalse(self.json("export", "s", "o.npy")["consecutive"])
        self.assertIn("with gaps", self.text("export", "s", "o.npy"))

    def test_a_store_without_rows_is_an_array_without_rows(self):
        self.run_quire("remove", "s", 0, 1, 2, 3)
        self.assertIsNone(self.json("export", "s", "o.npy")["first_id"])
        self.assertEqual(self.path("o.npy").read_bytes(), npy("|u1", 0, 1, b""))
        self.fails("export", "s", "o.bvecs", says="o.bvecs")
        self.assertFalse(self.path("o.bvecs").exists())


class NearestTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.write("a.bvecs", bvecs([b"\0\0", b"\3\4", b"\1\0", b"\0\1"]))
        self.write("q.bvecs", bvecs([b"\0\0", b"\3\3"]))
        self.run_quire("import", "s", "a.bvecs", "--first-id", 10)

    def test_neighbours_by_query(self):
        self.assertEqual(self.text("nearest", "s", "q.bvecs", "--k", 3),
                         "query 0: 10 (0) 12 (1) 13 (1)\nquery 1: 11 (1) 12 (13) 13 (13)\n")
        found = self.json("nearest", "s", "q.bvecs", "--k", 9, "--metric", "ip")
        self.assertEqual((found["queries"], found["k"], found["metric"]), (2, 9, "ip"))
        self.assertGreaterEqual(found["seconds"], 0)
        self.assertEqual(found["neighbours"][1][0], {"id": 11, "distance": -21.0})
        self.assertEqual([len(row) for row in found["neighbours"]], [4, 4])

    def test_recall_is_the_share_of_the_truth_that_was_found(self):
        self.write("t.ivecs", ivecs([[10, 12, 99], [13, 11, 99]]))
        told = self.json("nearest", "s", "q.bvecs", "--k", 2, "--truth", "t.ivecs")
        self.assertEqual(told["recall"], 0.75)  # 13 is not among the two nearest of query 1
        self.assertNotIn("neighbours", told)

    def test_a_short_truth_limits_the_queries(self):
        self.write("t.ivecs", ivecs([[10]]))
        told = self.json("nearest", "s", "q.bvecs", "--k", 1, "--truth", "t.ivecs")
        self.assertEqual((told["queries"], told["recall"]), (1, 1.0))
        self.assertIn("only the first of the 2 queries",
                      self.text("nearest", "s", "q.bvecs", "--k", 1, "--truth", "t.ivecs"))

    def test_a_truth_that_does_not_fit_is_refused(self):
        self.write("long.ivecs", ivecs([[1]] * 3))
        self.fails("nearest", "s", "q.bvecs", "--k", 1, "--truth", "long.ivecs", says="more than")
        self.write("narrow.ivecs", ivecs([[1], [1]]))
        self.fails("nearest", "s", "q.bvecs", "--k", 2, "--truth", "narrow.ivecs",
                   says="fewer than")

    def test_queries_of_another_dimension_are_refused(self):
        self.write("wide.bvecs", bvecs([b"\0\0\0"]))
        self.fails("nearest", "s", "wide.bvecs", "--k", 1, says="dimension")

    def test_real_descriptors_have_full_recall(self):
        self.run_quire("import", "real", DATA / "base_10k.bvecs")
        told = self.json("nearest", "real", DATA / "queries_100.bvecs", "--k", 10,
                         "--truth", DATA / "groundtruth_10k_l2_top10.ivecs")
        self.assertEqual((told["queries"], told["recall"]), (100, 1.0))


class CareTest(QuireTest):
    def test_verify_and_checkpoint(self):
        self.write("a.bvecs", bvecs(random_rows(5, 2)))
        self.run_quire("import", "s", "a.bvecs")
        self.assertEqual(self.json("verify", "s"), {"ok": True, "rows": 5, "damaged": []})
        self.assertEqual(self.text("verify", "s"), "s: 5 rows and every file are whole\n")
        told = self.json("checkpoint", "s")
        self.assertEqual((told["lsn"], told["checkpoint_lsn"], told["log_bytes"]), (1, 1, 0))
        self.assertEqual(self.text("checkpoint", "s"),
                         "s: every batch up to 1 is in the checkpoint\n")

    def test_compact(self):
        rows = random_rows(50, 128)
        self.write("a.bvecs", bvecs(rows))
        self.run_quire("import", "s", "a.bvecs")
        self.assertEqual(self.text("compact", "s"), "s: there is nothing dead to give back\n")
        self.run_quire("remove", "s", *range(40))
        told = self.json("compact", "s")
        self.assertEqual((told["rows"], told["generation"]), (10, 2))
        self.assertEqual(self.json("info", "s")["fragmentation"], 0)
        self.run_quire("remove", "s", 40)
        self.assertRegex(self.text("compact", "s"), r"^s: .+ given back, 9 rows left\n$")
        self.assertEqual(self.json("verify", "s"), {"ok": True, "rows": 9, "damaged": []})
        self.run_quire("export", "s", "b.bvecs")
        self.assertEqual(self.path("b.bvecs").read_bytes(), bvecs(rows[41:]))


if __name__ == "__main__":
    unittest.main()
