#!/usr/bin/env python3
"""Checks that misuse does not compile.

    compile_fail_test.py SOURCE COMPILER [FLAG...]

SOURCE must compile as it is, and with QUIRE_MISUSE defined it must fail at every line that stands
between `#ifdef QUIRE_MISUSE` and `#endif`. COMPILER may be clang-tidy, whose findings then count as
errors: the flags before `--` are its own.
"""

import re
import subprocess
import sys


def compile_source(source, compiler, flags):
    if "clang-tidy" in compiler:
        command = [compiler, source, *flags, "-ferror-limit=0"]
    else:
        all_errors = "-ferror-limit=0" if "clang" in compiler else "-fmax-errors=0"
        command = [compiler, *flags, "-fsyntax-only", all_errors, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def misuses(source):
    """The numbers of the lines that must not compile."""
    numbers, inside = [], False
    with open(source, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith("#"):
                inside = line.startswith("#ifdef QUIRE_MISUSE")
            elif inside:
                numbers.append(number)
    return numbers


def main():
    source, compiler, *flags = sys.argv[1:]
    status, output = compile_source(source, compiler, flags)
    if status != 0:
        print(output)
        sys.exit(f"{source}: does not compile without the misuse")
    expected = misuses(source)
    if not expected:
        sys.exit(f"{source}: has no misuse")
    _, output = compile_source(source, compiler, [*flags, "-DQUIRE_MISUSE"])
    # The place of the error itself, or of what was instantiated for it.
    named = {int(number) for number in re.findall(re.escape(source) + r":(\d+):\d+: (?:fatal )?(?:error|note)", output)}
    missing = [number for number in expected if number not in named]
    for number in missing:
        print(f"{source}:{number}: compiles, and must not")
    if missing:
        print(output)
    print(f"{len(expected) - len(missing)} of {len(expected)} misuses do not compile")
    sys.exit(1 if missing else 0)


main()
