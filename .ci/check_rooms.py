#!/usr/bin/env python3
"""Checks who includes whom: a room sees itself and the rooms on lower floors, nobody else.

    .ci/check_rooms.py [ROOT]     prints each breach as file:line: sentence; status 1 if there is one

A public header belongs to the room whose src/<room>/CMakeLists.txt lists it in quire_public_headers;
one that none lists would not be installed, and is an error.
"""

import collections
import pathlib
import re
import sys

import tree

FLOORS = {
    "base": 0,
    "os": 1, "net": 1,
    "mapped": 2,
    "source": 3, "ranged": 3,
    "formats": 4, "vector": 4, "remote": 4,
    "snapshot": 5,
    "cli": 6, "python": 6,
}

# These folders show the library to its users: they see what a user sees.
PUBLIC_ONLY = {"examples", "packaging"}

SYSTEM_HEADER = re.compile(
    r"(sys|linux|asm|arpa|net|netinet)/|"
    r"(unistd|fcntl|signal|poll|pthread|dirent|dlfcn|netdb|spawn|termios|ucontext|setjmp)\.h$|"
    r"csignal$|csetjmp$")
SYSTEM_HEADER_ROOMS = {"os", "net", "cli", "python"}

# Libraries that stay in some rooms; tests may use them anywhere.
THIRD_PARTY = {"CLI": {"cli"}, "fmt": {"cli"}, "nlohmann": {"cli", "remote"}}

PUBLIC_HEADERS_CALL = re.compile(r"^quire_public_headers\(([^)]*)\)", re.MULTILINE)
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
TEST_FILE = re.compile(r"(_test|_contract|_fixture)\.[ch]pp$|^simulated_")
SIMULATED_OS = re.compile(r"os/simulated_")

File = collections.namedtuple("File", "path room is_public is_test")


def public_headers(root):
    """Public header, as it is included, -> the room that lists it."""
    rooms = {}
    for room in FLOORS:
        listing = root / "src" / room / "CMakeLists.txt"
        if listing.is_file():
            for call in PUBLIC_HEADERS_CALL.findall(listing.read_text(encoding="utf-8")):
                rooms.update((header, room) for header in call.split())
    return rooms


class House:
    """The rules, for the public headers of one tree."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.public_headers = public_headers(self.root)

    def describe(self, path):
        """The file's place in the house, or None if no rule concerns it."""
        parts = path.parts
        is_test = bool(TEST_FILE.search(parts[-1]))
        if parts[0] == "include":
            return File(path, self.public_headers.get("/".join(parts[1:])), True, False)
        if parts[0] == "src" and len(parts) > 2:
            return File(path, parts[1], False, is_test)
        if parts[0] in FLOORS or parts[0] in PUBLIC_ONLY:
            return File(path, parts[0], False, is_test)
        return None

    def room_of(self, target):
        """The room of an included file, None if it has none."""
        if target.startswith("quire/"):
            return self.public_headers.get(target)
        first = target.split("/")[0]
        return first if "/" in target and first in FLOORS else None

    def breach_of_quoted(self, file, target):
        """What is wrong with #include "target", or None."""
        if target.startswith("quire/") and target not in self.public_headers:
            return f"no room lists {target} in quire_public_headers"
        if file.room in PUBLIC_ONLY:
            return None if target.startswith("quire/") else f"{target} is private: include quire/"
        if file.is_public and not target.startswith("quire/"):
            return f"a public header includes {target}, which is not installed"
        room = self.room_of(target)
        if room is None:
            return f'{target} names no room: write "room/file.hpp"'
        if SIMULATED_OS.match(target):
            return None if file.is_test else f"{target} is for tests"
        if room != file.room and FLOORS[room] >= FLOORS[file.room]:
            return (f"{file.room} (floor {FLOORS[file.room]}) includes {target} of "
                    f"{room} (floor {FLOORS[room]})")
        return None

    def breach_of_angled(self, file, target):
        """What is wrong with #include <target>, or None."""
        if target.startswith("quire/"):
            if file.room in PUBLIC_ONLY:
                return self.breach_of_quoted(file, target)
            return f'write "{target}"'
        if file.is_public:
            plain = "." not in target and "/" not in target and not SYSTEM_HEADER.match(target)
            return None if plain else f"a public header includes <{target}>: standard library only"
        if file.is_test or file.room in PUBLIC_ONLY:
            return None
        if SYSTEM_HEADER.match(target) and file.room not in SYSTEM_HEADER_ROOMS:
            return f"<{target}> makes system calls: that is for os/ and net/"
        allowed = THIRD_PARTY.get(target.split("/")[0])
        if allowed is not None and file.room not in allowed:
            return f"<{target}> is for {', '.join(sorted(allowed))}/ and tests"
        return None

    def breaches_of_file(self, file):
        lines = (self.root / file.path).read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            check = self.breach_of_quoted if match[1] == '"' else self.breach_of_angled
            sentence = check(file, match[2])
            if sentence:
                yield f"{file.path}:{number}: {sentence}"

    def breaches(self):
        """Yields "file:line: sentence" for each breach."""
        for path in tree.files(self.root, ".hpp", ".cpp", ".h"):
            file = self.describe(path)
            if file is None:
                continue
            if file.is_public and file.room is None:
                yield f"{path}:1: no room lists this header in quire_public_headers"
            elif file.room not in FLOORS and file.room not in PUBLIC_ONLY:
                yield f"{path}:1: unknown room '{file.room}': give it a floor in .ci/check_rooms.py"
            else:
                yield from self.breaches_of_file(file)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    found = list(House(root).breaches())
    print("\n".join(found) if found else "rooms: every include is allowed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
