"""Feeds check_rooms.py small trees, good and bad."""

import pathlib
import tempfile
import unittest

import check_rooms

# The public headers of the trees below: (room, headers).
LISTED = [
    ("base", "quire/bytes.hpp quire/error.hpp\n                     quire/version.hpp"),
    ("mapped", "quire/mapped_file.hpp"),
    ("formats", "quire/vector_files.hpp"),
    ("vector", "quire/vector_store.hpp"),
]


class CheckRoomsTest(unittest.TestCase):
    def breaches(self, path, text):
        """What the check says about a tree of one file beside the lists of public headers."""
        with tempfile.TemporaryDirectory() as root:
            for room, headers in LISTED:
                listing = pathlib.Path(root, "src", room, "CMakeLists.txt")
                listing.parent.mkdir(parents=True)
                listing.write_text(f"quire_sources(x.cpp)\nquire_public_headers({headers})\n")
            file = pathlib.Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            return list(check_rooms.House(root).breaches())

    def assert_allowed(self, path, include):
        self.assertEqual(self.breaches(path, f"#include {include}\n"), [])

    def assert_refused(self, path, include, sentence):
        found = self.breaches(path, f"// A comment.\n#include {include}\n")
        self.assertEqual(len(found), 1, found)
        self.assertIn(f"{path}:2: ", found[0])
        self.assertIn(sentence, found[0])

    def test_a_room_sees_itself_and_lower_floors(self):
        self.assert_allowed("src/mapped/mapped_file.cpp", '"mapped/segment.hpp"')
        self.assert_allowed("src/mapped/mapped_file.cpp", '"os/mapping.hpp"')
        self.assert_allowed("src/vector/store.cpp", '"base/checksum.hpp"')
        self.assert_allowed("cli/main.cpp", '"vector/store.hpp"')

    def test_a_room_does_not_see_higher_floors(self):
        self.assert_refused("src/os/mapping.cpp", '"mapped/segment.hpp"', "of mapped (floor 2)")
        self.assert_refused("src/base/bytes.cpp", '"quire/mapped_file.hpp"', "of mapped (floor 2)")

    def test_a_room_does_not_see_its_neighbours(self):
        self.assert_refused("src/vector/store.cpp", '"remote/s3.hpp"', "of remote (floor 4)")
        self.assert_refused("src/source/cache.cpp", '"quire/vector_files.hpp"', "of formats")

    def test_tests_obey_the_floors_too(self):
        self.assert_refused("src/os/mapping_test.cpp", '"mapped/segment.hpp"', "of mapped")

    def test_only_tests_see_the_simulated_file_system(self):
        self.assert_allowed("src/base/bytes_test.cpp", '"os/simulated_file_system.hpp"')
        self.assert_allowed("src/os/simulated_file_system.cpp", '"os/simulated_file_system.hpp"')
        self.assert_refused("src/vector/store.cpp", '"os/simulated_file_system.hpp"', "for tests")

    def test_an_include_names_its_room(self):
        self.assert_refused("src/os/mapping.cpp", '"mapping.hpp"', "names no room")
        self.assert_refused("src/os/mapping.cpp", '"../base/bytes.hpp"', "names no room")

    def test_a_room_lists_each_public_header(self):
        found = self.breaches("include/quire/surprise.hpp", "")
        self.assertEqual(len(found), 1)
        self.assertIn("no room lists this header", found[0])
        self.assert_refused("src/os/mapping.cpp", '"quire/surprise.hpp"', "no room lists")

    def test_public_headers_see_only_the_standard_library_and_each_other(self):
        header = "include/quire/vector_store.hpp"
        self.assert_allowed(header, "<vector>")
        self.assert_allowed(header, '"quire/error.hpp"')
        self.assert_refused(header, '"base/mutex.hpp"', "not installed")
        self.assert_refused(header, "<fmt/format.h>", "standard library only")
        self.assert_refused(header, "<CLI/CLI.hpp>", "standard library only")
        self.assert_refused(header, "<nlohmann/json.hpp>", "standard library only")
        self.assert_refused(header, "<xxhash.h>", "standard library only")
        self.assert_refused(header, "<unistd.h>", "standard library only")
        self.assert_refused("include/quire/error.hpp", '"quire/vector_store.hpp"', "of vector")

    def test_system_calls_are_for_os_and_net(self):
        for header in ("<unistd.h>", "<sys/mman.h>", "<fcntl.h>", "<linux/fs.h>", "<csignal>"):
            self.assert_allowed("src/os/mapping.cpp", header)
            self.assert_allowed("src/net/http.cpp", header)
            self.assert_allowed("cli/main.cpp", header)
            self.assert_allowed("src/vector/store_test.cpp", header)
            self.assert_refused("src/vector/store.cpp", header, "system calls")

    def test_libraries_stay_in_their_rooms(self):
        self.assert_allowed("cli/main.cpp", "<fmt/format.h>")
        self.assert_allowed("src/base/error_test.cpp", "<nlohmann/json.hpp>")
        self.assert_allowed("src/remote/credentials_json.cpp", "<nlohmann/json.hpp>")
        self.assert_refused("src/base/error.cpp", "<fmt/format.h>", "is for cli/")

    def test_examples_see_what_users_see(self):
        self.assert_allowed("examples/first.cpp", '"quire/bytes.hpp"')
        self.assert_allowed("packaging/consumer/main.cpp", "<quire/bytes.hpp>")
        self.assert_refused("examples/first.cpp", '"base/checksum.hpp"', "private")

    def test_a_new_room_needs_a_floor(self):
        found = self.breaches("src/attic/box.cpp", "")
        self.assertEqual(len(found), 1)
        self.assertIn("unknown room 'attic'", found[0])


if __name__ == "__main__":
    unittest.main()
