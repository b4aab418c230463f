"""Every element type, by the command: made, filled with conversion, shown, searched, written out."""

import struct
import unittest

from quire_command import QuireTest, fvecs, npy

TYPES = ("f32", "f16", "bf16", "i8", "u8", "b1")
# Elements that every type holds; the dimension is no multiple of 8.
ROWS = [[1, 0, 1, 1, 0, 0, 1, 0, 1], [0] * 9, [1] * 9, [0, 0, 0, 0, 0, 0, 0, 0, 1]]


def floats(rows):
    return b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)


def packed(row):
    """The bytes of a row of b1: the lowest bit is the first element."""
    return sum(bit << i for i, bit in enumerate(row)).to_bytes((len(row) + 7) // 8, "little")


class TypesTest(QuireTest):
    def setUp(self):
        super().setUp()
        self.write("rows.npy", npy("<f4", 4, 9, floats(ROWS)))

    def filled(self, element_type):
        self.run_quire("import", element_type, "rows.npy", "--type", element_type)
        return element_type

    def vectors(self, path):
        return [self.json("get", path, i)["vector"] for i in range(4)]

    def test_a_store_is_made_of_every_type(self):
        for element_type in TYPES:
            self.run_quire("create", element_type, "--dim", 9, "--type", element_type)
            self.assertEqual(self.json("info", element_type)["type"], element_type)

    def test_import_converts_to_the_type_that_was_asked_for(self):
        for element_type in TYPES:
            store = self.filled(element_type)
            self.assertEqual(self.json("info", store)["type"], element_type)
            self.assertEqual(self.vectors(store), ROWS)
            self.assertTrue(self.json("verify", store)["ok"])

    def test_many_threads_convert_as_one_does(self):
        rows = [[(i * j) % 300 - 20.5 for j in range(64)] for i in range(20_000)]
        self.write("many.npy", npy("<f4", len(rows), 64, floats(rows)))
        for threads in (1, 2):
            self.run_quire("import", f"by-{threads}", "many.npy", "--type", "i8",
                           "--batch", 17_000, "--threads", threads)
            self.run_quire("export", f"by-{threads}", f"{threads}.raw")
        self.assertEqual(self.path("1.raw").read_bytes(), self.path("2.raw").read_bytes())
        self.assertEqual(self.path("1.raw").read_bytes()[64:71],
                         struct.pack("7b", *(round(x) for x in rows[1][:7])))

    def test_rounding_and_range(self):
        self.write("wide.npy", npy("<f4", 1, 5, floats([[2.5, -3.5, 1e9, -1e9, 0.1]])))
        for element_type, expected in (("i8", [2, -4, 127, -128, 0]), ("u8", [2, 0, 255, 0, 0]),
                                       ("b1", [1, 0, 1, 0, 1])):
            self.run_quire("import", element_type, "wide.npy", "--type", element_type)
            self.assertEqual(self.json("get", element_type, 0)["vector"], expected)

    def test_a_nan_is_no_whole_number(self):
        self.write("nan.npy", npy("<f4", 2, 2, floats([[1, 2], [3, float("nan")]])))
        self.fails("import", "s", "nan.npy", "--type", "u8", says="element 1 of row 1 is a NaN")
        self.assertEqual(self.json("info", "s")["rows"], 0)

    def test_another_type_than_the_stores_is_refused_unless_it_is_said(self):
        self.filled("f16")
        self.fails("import", "f16", "rows.npy", says="mismatch")
        self.fails("import", "f16", "rows.npy", "--type", "u8", says="mismatch")
        self.run_quire("import", "f16", "rows.npy", "--type", "f16", "--first-id", 4)
        self.assertEqual(self.json("info", "f16")["rows"], 8)

    def test_raw_files_of_one_type_go_into_a_store_of_another(self):
        self.write("rows.raw", b"".join(packed(row) for row in ROWS))
        self.run_quire("import", "s", "rows.raw", "--dim", 9, "--type", "u8", "--file-type", "b1")
        self.assertEqual(self.json("info", "s")["type"], "u8")
        self.assertEqual(self.vectors("s"), ROWS)
        self.run_quire("import", "bits", "rows.raw", "--dim", 9, "--type", "b1")
        self.assertEqual(self.vectors("bits"), ROWS)
        self.fails("import", "other", "rows.npy", "--file-type", "u8", says="mismatch")

    def test_export_writes_what_numpy_has(self):
        for element_type, descr, bytes_of in (
                ("f32", "<f4", lambda row: struct.pack("<9f", *row)),
                ("f16", "<f2", lambda row: struct.pack("<9e", *row)),
                ("bf16", "<f4", lambda row: struct.pack("<9f", *row)),
                ("i8", "|i1", lambda row: struct.pack("9b", *row)),
                ("u8", "|u1", bytes), ("b1", "|u1", bytes)):
            self.run_quire("export", self.filled(element_type), "out.npy")
            self.assertEqual(self.path("out.npy").read_bytes(),
                             npy(descr, 4, 9, b"".join(map(bytes_of, ROWS))), element_type)
            self.run_quire("get", element_type, 2, "--output", "one.npy")
            self.assertEqual(self.path("one.npy").read_bytes(), npy(descr, 1, 9, bytes_of(ROWS[2])))
            self.run_quire("import", f"{element_type}-again", "out.npy", "--type", element_type)
            self.assertEqual(self.vectors(f"{element_type}-again"), ROWS)

    def test_export_in_a_type_that_was_asked_for(self):
        store = self.filled("b1")
        self.run_quire("export", store, "out.fvecs", "--type", "f32")
        self.assertEqual(self.path("out.fvecs").read_bytes(), fvecs(ROWS))
        self.run_quire("export", store, "out.raw")
        self.assertEqual(self.path("out.raw").read_bytes(), b"".join(map(packed, ROWS)))
        self.fails("export", store, "out2.fvecs", says="fvecs files hold f32, not b1")
        self.fails("export", store, "out2.npy", "--type", "bf16", says="npy files hold")

    def test_snapshots_hold_every_type(self):
        for element_type in TYPES:
            snapshot = self.publish(self.filled(element_type), f"{element_type}.quire")
            self.assertEqual(self.json("info", snapshot)["type"], element_type)
            self.assertEqual(self.vectors(snapshot), ROWS)
            self.run_quire("restore", snapshot, f"{element_type}-restored")
            self.assertEqual(self.vectors(f"{element_type}-restored"), ROWS)

    def test_neighbours_by_every_metric(self):
        self.write("query.npy", npy("<f4", 1, 9, floats(ROWS[:1])))
        for element_type in TYPES:
            store = self.filled(element_type)
            snapshot = self.publish(store, f"{element_type}.quire")
            for metric, expected in (("l2", [0, 2, 3, 1]), ("hamming", [0, 2, 3, 1]),
                                     ("ip", [0, 2, 3, 1]), ("cosine", [0, 2, 3, 1])):
                for path in (store, snapshot):
                    found = self.json("nearest", path, "query.npy", "--type", "f32", "--k", 9,
                                      "--metric", metric)["neighbours"][0]
                    self.assertEqual([one["id"] for one in found], expected,
                                     f"{path} {metric} {found}")

    def test_queries_of_another_type_are_refused_unless_it_is_said(self):
        self.fails("nearest", self.filled("u8"), "rows.npy", "--k", 1, says="mismatch")

    def test_neighbours_among_some_ids(self):
        store = self.filled("f32")
        self.write("some.txt", b"3\n1\n700\n")
        found = self.json("nearest", store, "rows.npy", "--k", 4, "--ids-from", "some.txt")
        self.assertEqual([[one["id"] for one in row] for row in found["neighbours"]],
                         [[3, 1], [1, 3], [3, 1], [3, 1]])
        self.write("bad.txt", b"3\n-1\n")
        self.fails("nearest", store, "rows.npy", "--k", 4, "--ids-from", "bad.txt",
                   says="bad.txt: line 2 is no id")
        self.fails("nearest", store, "rows.npy", "--k", 4, "--ids-from", "none.txt",
                   says="none.txt")


if __name__ == "__main__":
    unittest.main()
