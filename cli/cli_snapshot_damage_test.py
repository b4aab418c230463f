"""Damage in a snapshot is named by bytes, rows and ids, never served, and costs no other block."""

import struct
import unittest

from quire_command import QuireTest, bvecs, random_rows


class DamageTest(QuireTest):
    """700 rows of 16 bytes under ids from 1000, 10 rows a block, 64 blocks an id page."""

    BLOCKS, PAGE_0, PAGE_1, ROOT, TAIL, END = 4096, 15296, 17888, 18160, 18240, 18496

    def setUp(self):
        super().setUp()
        self.rows_in = random_rows(700, 16)
        self.content = bvecs(self.rows_in)
        self.write("a.bvecs", self.content)
        self.write("q.bvecs", bvecs(random_rows(2, 16, seed=2)))
        self.run_quire("import", "s", "a.bvecs", "--first-id", 1000)
        self.publish("s", "p.quire", "--block-bytes", 160)
        self.whole = self.path("p.quire").read_bytes()
        self.assertEqual(len(self.whole), self.END)

    def assert_named(self, *places):
        """verify finds these and no others: begin and end in the file, first row, rows."""
        report = self.json("verify", "p.quire", status=3)
        self.assertFalse(report["ok"])
        found = []
        for damage in report["damaged"]:
            self.assertEqual(" ".join(damage),
                             "file offset length what first_row rows first_id last_id")
            self.assertEqual(damage["file"], "p.quire")
            begin, end = damage["offset"], damage["offset"] + damage["length"]
            found.append((begin, end, damage["first_row"], damage["rows"]))
            if damage["rows"]:
                self.assertEqual(damage["first_id"], 1000 + damage["first_row"])
                self.assertEqual(damage["last_id"], damage["first_id"] + damage["rows"] - 1)
        self.assertEqual(found, list(places))
        text = self.text("verify", "p.quire", status=3)
        for begin, end, _, _ in places:
            self.assertIn(f"damaged: p.quire [{begin}, {end}): ", text)
        self.assertIn(f"verify p.quire: damage found in {len(places)} place", self.error)
        return report

    def assert_refused(self, *commands):
        for words in commands:
            with self.subTest(words=words):
                self.fails(*words, status=3, says="p.quire [")
        self.assertFalse(any(self.home.glob("o.bvecs*")))

    NEEDS_ALL = [["export", "p.quire", "o.bvecs"], ["nearest", "p.quire", "q.bvecs", "--k", 1],
                 ["restore", "p.quire", "r"]]
    NEEDS_INDEX = [["info", "p.quire"], ["get", "p.quire", 1001]]

    def assert_whole_again(self):
        self.write("p.quire", self.whole)
        self.run_quire("restore", "p.quire", "r")
        self.assert_whole("r", self.content)

    def test_a_row(self):
        self.flip("p.quire", self.BLOCKS + 25 * 16 + 3)
        report = self.assert_named((self.BLOCKS + 320, self.BLOCKS + 480, 20, 10))
        self.assertEqual(report["rows"], 690)
        self.assertIn("rows 20 to 29, ids 1020 to 1029", report["damaged"][0]["what"])
        self.assert_refused(["get", "p.quire", 1025], ["get", "p.quire", 1020, "--output", "o.bvecs"],
                            *self.NEEDS_ALL)
        self.assertIn("ids 1020 to 1029", self.error)
        for row in [19, 30]:  # of the blocks beside
            self.assertEqual(self.json("get", "p.quire", 1000 + row),
                             {"id": 1000 + row, "vector": list(self.rows_in[row])})
        self.assertEqual(self.json("info", "p.quire")["rows"], 700)
        self.assert_whole_again()

    def test_an_id_page(self):
        self.flip("p.quire", self.PAGE_1 + 50)
        self.assert_named((self.PAGE_1, self.ROOT, 640, 60))
        self.assert_refused(["get", "p.quire", 1640], ["get", "p.quire", 1699], *self.NEEDS_ALL)
        self.assertTrue(self.text("get", "p.quire", 1639).startswith("1639: "))
        self.assert_whole_again()

    def test_the_header_is_needed_by_none_but_verify(self):
        self.flip("p.quire", 40)
        self.assert_named((0, 4096, None, 0))
        self.run_quire("export", "p.quire", "o.bvecs")
        self.assertEqual(self.path("o.bvecs").read_bytes(), self.content)
        self.run_quire("restore", "p.quire", "r")
        self.assert_whole("r", self.content)

    def test_the_root(self):
        self.flip("p.quire", self.ROOT + 5)
        self.assert_named((self.ROOT, self.TAIL, None, 0))
        self.assert_refused(*self.NEEDS_INDEX, *self.NEEDS_ALL)
        self.assert_whole_again()

    def test_the_tail(self):
        for offset in [0, 20, 100, 130, 161, 200, 255]:
            self.flip("p.quire", self.TAIL + offset)
            self.assert_named((self.TAIL, self.END, None, 0))
            self.assert_refused(*self.NEEDS_INDEX, *self.NEEDS_ALL)
            self.flip("p.quire", self.TAIL + offset)
        self.assert_whole_again()

    def test_two_places(self):
        self.flip("p.quire", self.BLOCKS)
        self.flip("p.quire", self.PAGE_1 + 8)
        report = self.assert_named((self.BLOCKS, self.BLOCKS + 160, 0, 10),
                                   (self.PAGE_1, self.ROOT, 640, 60))
        self.assertEqual(report["rows"], 630)

    def test_a_file_cut_or_lengthened(self):
        for content in [self.whole[:-1], self.whole[:self.TAIL], self.whole[:9000], self.whole[:10],
                        b"", self.whole + b"\0", self.whole + self.whole]:
            self.write("p.quire", content)
            with self.subTest(bytes=len(content)):
                report = self.json("verify", "p.quire", status=3)
                self.assertEqual([d["file"] for d in report["damaged"]], ["p.quire"])
                for words in self.NEEDS_INDEX + self.NEEDS_ALL:
                    self.fails(*words, status=3, says="p.quire")
                self.assertFalse(self.path("o.bvecs").exists())
        self.assert_whole_again()

    def test_a_flipped_byte_is_found_wherever_it_is(self):
        for offset in [*range(0, self.END, 401), *range(self.PAGE_0, self.END, 97)]:
            self.flip("p.quire", offset)
            damaged = self.json("verify", "p.quire", status=3)["damaged"]
            self.assertTrue(any(d["offset"] <= offset < d["offset"] + d["length"] for d in damaged),
                            f"{offset}: {damaged}")
            self.flip("p.quire", offset)
        self.assert_whole_again()

    def test_what_is_left_can_be_salvaged(self):
        self.flip("p.quire", self.BLOCKS + 25 * 16)
        self.flip("p.quire", self.PAGE_1 + 50)
        self.fails("restore", "p.quire", "r", status=3, says="ids 1020 to 1029")
        self.fails("info", "r", says="not_found")
        damaged = self.json("verify", "p.quire", status=3)["damaged"]
        told = self.json("restore", "p.quire", "r", "--salvage", status=3)
        self.assertEqual(told["rows"], 630)
        for of_restore, of_verify in zip(told["left_out"], damaged, strict=True):
            self.assertEqual(of_restore, of_verify)
        self.assertEqual(self.error, "quire: restore p.quire: damage found in 2 places; "
                                     "70 rows left out\n")
        self.assert_whole("r", bvecs(self.rows_in[:20] + self.rows_in[30:640]))
        text = self.text("restore", "p.quire", "t", "--salvage", status=3)
        self.assertRegex(text, r"\Arestored 630 rows to t in .*\nleft out: p\.quire \[4416, 4576\): "
                               r".*ids 1020 to 1029.*\nleft out: p\.quire \[17888, 18160\): .*\n\Z")

    def test_a_newer_version_is_left_alone(self):
        newer = bytearray(self.whole)
        newer[8:12] = newer[self.TAIL + 8:self.TAIL + 12] = struct.pack("<I", 2)
        self.write("p.quire", newer)
        for words in [*self.NEEDS_INDEX, *self.NEEDS_ALL, ["verify", "p.quire"]]:
            self.fails(*words, says="format_version")


if __name__ == "__main__":
    unittest.main()
