"""Feeds check_docs.py small documents, good and bad."""

import pathlib
import tempfile
import unittest

import check_docs

SOURCE = """\
#include "quire/bytes.hpp"
int main() {
  // #region copy
  auto bytes = quire::Bytes::copy(span);
  use(bytes);
  // #endregion
}
"""


class CheckDocsTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name)
        (self.root / "docs").mkdir()
        (self.root / "main.cpp").write_text(SOURCE)

    def write(self, *lines):
        (self.root / "docs" / "guide.md").write_text("\n".join(lines) + "\n")

    def assert_fault(self, sentence):
        found = list(check_docs.faults(self.root))
        self.assertEqual(len(found), 1, found)
        self.assertIn(sentence, found[0])

    def assert_no_fault(self):
        self.assertEqual(list(check_docs.faults(self.root)), [])

    def test_links_lead_to_files(self):
        self.write("[a](../main.cpp) [b](/main.cpp) [c](guide.md#part) [d](https://example.org/x)",
                   "[e](#part), `[f](nowhere.md)`", "", "[g]: ../docs")
        self.assert_no_fault()

    def test_a_link_that_leads_nowhere_is_found(self):
        self.write("One.", "See [the format](formats/none.md#header).")
        self.assert_fault("docs/guide.md:2: the link leads nowhere: formats/none.md#header")

    def test_a_reference_that_leads_nowhere_is_found(self):
        self.write("[format]: none.md")
        self.assert_fault("leads nowhere: none.md")

    def test_links_in_code_are_code(self):
        self.write("```", "[x](none.md)", "```")
        self.assert_no_fault()

    def test_a_region_is_shown_without_its_indentation(self):
        self.write("<!-- include: main.cpp#copy -->", "```cpp",
                   "auto bytes = quire::Bytes::copy(span);", "use(bytes);", "```")
        self.assert_no_fault()

    def test_a_whole_file_is_shown_without_its_markers(self):
        text = [line for line in SOURCE.splitlines() if "region" not in line]
        self.write("<!-- include: main.cpp -->", "```cpp", *text, "```")
        self.assert_no_fault()

    def test_a_block_that_differs_is_found_and_fixed(self):
        self.write("Before.", "<!-- include: main.cpp#copy -->", "```cpp", "old();", "```", "After.")
        self.assert_fault("docs/guide.md:2: the block differs from main.cpp#copy")
        check_docs.fix(self.root)
        self.assert_no_fault()
        text = (self.root / "docs" / "guide.md").read_text()
        self.assertTrue(text.startswith("Before.\n<!-- include: main.cpp#copy -->\n```cpp\nauto"))
        self.assertTrue(text.endswith("use(bytes);\n```\nAfter.\n"))

    def test_a_missing_source_is_found(self):
        self.write("<!-- include: none.cpp -->", "```cpp", "x", "```")
        self.assert_fault("there is no file none.cpp")

    def test_a_missing_region_is_found(self):
        self.write("<!-- include: main.cpp#none -->", "```cpp", "x", "```")
        self.assert_fault("main.cpp has no region 'none'")

    def test_an_include_without_a_block_is_found(self):
        self.write("<!-- include: main.cpp -->", "", "```cpp", "x", "```")
        self.assert_fault("follows an include at once")

    def test_a_misspelt_include_is_found(self):
        self.write("<!-- include main.cpp -->", "```cpp", "x", "```")
        self.assert_fault("write <!-- include: file -->")

    def test_a_block_without_end_is_found(self):
        self.write("```cpp", "x")
        self.assert_fault("has no end")


if __name__ == "__main__":
    unittest.main()
