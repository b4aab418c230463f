#!/usr/bin/env python3
"""Compiles each public header alone.

    .ci/headers.py BUILD [--quick] [BASE]
                     BASE: a git revision; only the headers that changed since it, and those that
                     include them, whatever is between. --quick is tidy.py's, and changes nothing
"""

import pathlib
import re
import subprocess
import sys

import tidy

INCLUDE = re.compile(r'^#include "(quire/[^"]+)"', re.MULTILINE)


def headers_to_check(headers, changed):
    """Those of `headers`, name -> text, that are in `changed` or include one, through others too."""
    chosen = {name for name in headers if name in changed}
    includes = {name: set(INCLUDE.findall(text)) for name, text in headers.items()}
    while more := {name for name in headers if name not in chosen and includes[name] & chosen}:
        chosen |= more
    return chosen


def main(build, *words):
    bases = [word for word in words if word != "--quick"]
    if not bases:
        return subprocess.run(["cmake", "--build", build, "--target", "all_verify_interface_header_sets"],
                              check=False).returncode
    root = tidy.ROOT / "include"
    headers = {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
               for path in root.rglob("*.hpp")}
    changed = {path.relative_to("include").as_posix() for path in tidy.changed_files(bases[0])
               if path.parts[0] == "include"}
    chosen = headers_to_check(headers, changed)
    listed = subprocess.run(["ninja", "-C", build, "-t", "targets", "all"], check=True,
                            capture_output=True, text=True).stdout
    objects = [line.split(":")[0] for line in listed.splitlines() if "_verify_interface_header_sets/" in line]
    targets = [name for name in objects if any(name.endswith(f"/{header}.cxx.o") for header in chosen)]
    print(f"{len(targets)} of {len(objects)} headers")
    if not targets:
        return 0
    return subprocess.run(["ninja", "-C", build, *targets], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
